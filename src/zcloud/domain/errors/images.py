"""What goes wrong with images and the files that are made of them."""

from __future__ import annotations

from zcloud.domain.errors.base import Failed, Kind, Refused


class ImageRefused(Refused):
    """The image is not what it claims, or could harm the host that opens it."""

    code = "image_refused"
    kind = Kind.INVALID


class AddressForbidden(Refused):
    """An import URL leads to a private, link-local or otherwise forbidden address."""

    code = "address_forbidden"
    kind = Kind.INVALID
    default_hint = "An admin can allow the target in the configuration (images.allow_private)."


class UploadOffset(Refused):
    """An upload has another length than the request says; ``details`` has ``offset``, where to go on."""

    code = "upload_offset"
    kind = Kind.CONFLICT


class DownloadFailed(Failed):
    """A download broke off or did not match its checksum."""

    code = "download_failed"
    kind = Kind.UNAVAILABLE


class BuildFailed(Failed):
    """An image could not be built from the distribution's packages."""

    code = "build_failed"
    kind = Kind.UNAVAILABLE


class MirrorUnreachable(BuildFailed):
    """The distribution's package mirror does not answer or does not carry the release."""

    code = "mirror_unreachable"
    default_hint = "Check the network, the proxy and apt's sources, or name another mirror with --mirror."


class ToolMissing(Refused):
    """A program that this needs is not installed."""

    code = "tool_missing"
    kind = Kind.UNAVAILABLE


class NeedsRoot(Refused):
    """This has to run as root."""

    code = "needs_root"
    kind = Kind.FORBIDDEN
    default_hint = "Run it again as root or with sudo."


class DiskFull(Failed):
    """The file system has no room for the files that are being made."""

    code = "disk_full"
    kind = Kind.UNAVAILABLE
