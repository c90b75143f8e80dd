"""The one tree of errors a person can meet.

Every class has a stable ``code`` (part of the API) and a ``kind`` that the faces map to their own
language (an HTTP status, an exit code). An error says what happened (``message``), what was left or
undone (``left``) and what to do about it (``hint``). ``Refused`` means that nothing was changed;
``Failed`` means that something was tried and undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of error it is, for whoever maps it to a status or an exit code."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    TOO_LARGE = "too_large"
    MISMATCH = "mismatch"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


_BY_CODE: dict[str, type[ZcloudError]] = {}


class ZcloudError(Exception):
    """Base of all errors that reach a person.

    ``message`` says what happened, ``left`` what was left or undone, ``hint`` what to do;
    ``details`` are plain JSON values for programs (field names, limits, reasons per host).
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL
    default_left: ClassVar[str] = ""
    default_hint: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            return
        known = _BY_CODE.get(cls.code)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"error code {cls.code!r} is used twice")
        _BY_CODE[cls.code] = cls

    def __init__(self, message: str, *, left: str = "", hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.left = left or self.default_left
        self.hint = hint or self.default_hint
        self.details: Mapping[str, Any] = details

    def to_record(self) -> dict[str, Any]:
        """Give the error as plain JSON values (the operation row and the journal keep it so)."""
        return {
            "code": self.code,
            "message": self.message,
            "left": self.left,
            "hint": self.hint,
            "details": dict(self.details),
        }


def from_record(record: Mapping[str, Any]) -> ZcloudError:
    """Build the error that ``to_record`` described; an unknown code becomes ``Internal``."""
    cls = _BY_CODE.get(str(record.get("code")), Internal)
    return cls(
        str(record.get("message", "")),
        left=str(record.get("left", "")),
        hint=str(record.get("hint", "")),
        **dict(record.get("details") or {}),
    )


def all_errors() -> dict[str, type[ZcloudError]]:
    """Give every error class by its code (the reference is generated from it)."""
    return dict(sorted(_BY_CODE.items()))


class Internal(ZcloudError):
    """zcloud met something that it did not expect: a defect of zcloud."""

    code = "internal"
    default_hint = "Report it with the request id and the server's log."


class Refused(ZcloudError):
    """Nothing was changed: the request could not be admitted."""

    default_left = "Nothing was changed."


class Failed(ZcloudError):
    """It was tried, did not work, and what had been done was undone."""

    default_left = "What had been done was undone."


# -- input -------------------------------------------------------------------------------------


class InvalidInput(Refused):
    """A value is of the wrong form, out of bounds, or contradicts another one."""

    code = "invalid_input"
    kind = Kind.INVALID


class PayloadTooLarge(Refused):
    """The request's body is larger than allowed."""

    code = "payload_too_large"
    kind = Kind.TOO_LARGE


class InvalidXml(Refused):
    """XML that is malformed, hostile, or not of the form libvirt documents."""

    code = "invalid_xml"
    kind = Kind.INVALID


class InvalidCloudInit(Refused):
    """User data for cloud-init that is malformed or cannot be merged."""

    code = "invalid_cloud_init"
    kind = Kind.INVALID


# -- people ------------------------------------------------------------------------------------


class Unauthenticated(Refused):
    """No valid session or token came with the request."""

    code = "unauthenticated"
    kind = Kind.UNAUTHENTICATED
    default_hint = "Sign in with `zcloud login`, or send a valid API token."


class LoginFailed(Refused):
    """User name or password is wrong (which one is not said)."""

    code = "login_failed"
    kind = Kind.UNAUTHENTICATED


class LoginThrottled(Refused):
    """Too many failed logins for this name or from this address."""

    code = "login_throttled"
    kind = Kind.THROTTLED


class Forbidden(Refused):
    """The role of this user or token does not allow this."""

    code = "forbidden"
    kind = Kind.FORBIDDEN


# -- things ------------------------------------------------------------------------------------


class NotFound(Refused):
    """No such thing, or none that this user may see."""

    code = "not_found"
    kind = Kind.MISSING


class AlreadyExists(Refused):
    """A thing of that name is there already."""

    code = "already_exists"
    kind = Kind.CONFLICT


class InUse(Refused):
    """Something else still needs the thing."""

    code = "in_use"
    kind = Kind.CONFLICT


class Protected(Refused):
    """The instance is protected against deletion."""

    code = "protected"
    kind = Kind.CONFLICT
    default_hint = "Remove the protection first: `zcloud instance unprotect NAME`."


class WrongState(Refused):
    """The thing is in a state in which this cannot be done."""

    code = "wrong_state"
    kind = Kind.CONFLICT


class Busy(Refused):
    """Another operation works on the thing."""

    code = "busy"
    kind = Kind.CONFLICT
    default_hint = "Wait for the running operation, or cancel it where that is allowed."


class RevisionMismatch(Refused):
    """If-Match names an older revision: somebody changed the thing in between."""

    code = "revision_mismatch"
    kind = Kind.PRECONDITION
    default_hint = "Read the thing again, look at what changed, and repeat."


class IdempotencyInFlight(Refused):
    """A request with the same Idempotency-Key is being answered right now."""

    code = "idempotency_in_flight"
    kind = Kind.CONFLICT


class IdempotencyMismatch(Refused):
    """The Idempotency-Key was used before with another payload."""

    code = "idempotency_mismatch"
    kind = Kind.MISMATCH
    default_hint = "Use a fresh key for a different request."


# -- admission ---------------------------------------------------------------------------------


class NoRoom(Refused):
    """No host can take the instance; ``details`` has the reason per host and the nearest fit."""

    code = "no_room"
    kind = Kind.CONFLICT


class QuotaExceeded(Refused):
    """The project's quota does not allow it."""

    code = "quota_exceeded"
    kind = Kind.CONFLICT


class PoolFull(Refused):
    """The storage pool has no room for the volume."""

    code = "pool_full"
    kind = Kind.CONFLICT


class NoAddress(Refused):
    """The network has no free address, or the chosen one is taken or outside its ranges."""

    code = "no_address"
    kind = Kind.CONFLICT


# -- images ------------------------------------------------------------------------------------


class ImageRefused(Refused):
    """The image is not what it claims, or could harm the host that opens it."""

    code = "image_refused"
    kind = Kind.INVALID


class AddressForbidden(Refused):
    """An import URL leads to a private, link-local or otherwise forbidden address."""

    code = "address_forbidden"
    kind = Kind.INVALID
    default_hint = "An admin can allow the target in the configuration (images.allow_private)."


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


# -- hosts -------------------------------------------------------------------------------------


class HostUnreachable(Failed):
    """The host does not answer; the operation waits (*blocked*) until it is back or fenced."""

    code = "host_unreachable"
    kind = Kind.UNAVAILABLE
    default_left = "What was done so far is kept; the operation goes on when the host is back."


class HostKeyUnknown(Refused):
    """The host's SSH key has not been approved."""

    code = "host_key_unknown"
    kind = Kind.CONFLICT
    default_hint = "Compare the fingerprint with the host's own and add the host with it."


class HostKeyChanged(Refused):
    """The host shows another SSH key than the approved one."""

    code = "host_key_changed"
    kind = Kind.CONFLICT
    default_hint = "If the host was reinstalled, approve its new key; otherwise somebody is in between."


class CommandFailed(Failed):
    """A command on a host ended with an error."""

    code = "command_failed"
    kind = Kind.UNAVAILABLE


class CommandForbidden(Refused):
    """A command is not in the closed list of what zcloud may run on a host."""

    code = "command_forbidden"


class HypervisorFailed(Failed):
    """libvirt refused or failed; its own words are in the message."""

    code = "hypervisor_failed"
    kind = Kind.UNAVAILABLE


class GuestSilent(Failed):
    """The guest agent does not answer."""

    code = "guest_silent"
    kind = Kind.UNAVAILABLE


class StorageFailed(Failed):
    """A volume or base image could not be made, read or removed."""

    code = "storage_failed"
    kind = Kind.UNAVAILABLE


class PoolUnusable(Refused):
    """A pool's place on its host cannot be used as it is (permissions, a foreign directory, the file system)."""

    code = "pool_unusable"
    kind = Kind.CONFLICT


class NetworkUnusable(Refused):
    """A network cannot be used on its host as it is (no such bridge, a subnet that is in use, no forwarding)."""

    code = "network_unusable"
    kind = Kind.CONFLICT


# -- operations --------------------------------------------------------------------------------


class OperationCancelled(Failed):
    """The operation was cancelled on request, and what it had done was undone."""

    code = "operation_cancelled"
    kind = Kind.CONFLICT


class DeadlineExceeded(Failed):
    """It took longer than its deadline."""

    code = "deadline_exceeded"
    kind = Kind.UNAVAILABLE


class Superseded(Failed):
    """Another worker has taken this operation over; this one must not touch anything any more."""

    code = "superseded"
    kind = Kind.CONFLICT


class ConfigInvalid(Refused):
    """The configuration cannot be used; the server does not start with it."""

    code = "config_invalid"
    kind = Kind.INVALID
