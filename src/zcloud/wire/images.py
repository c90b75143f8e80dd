"""Images and the catalogue of official ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zcloud.wire.base import REF_PATTERN, Bytes, Checksum, Count, Flag, Line, LongLine, Name, OptionalRef, Request
from zcloud.wire.operations import OperationError


class UploadSource(Request):
    """The bytes will be sent to ``/v1/images/ID/upload``; ``size`` 0 means that their number is not known yet."""

    kind: Literal["upload"]
    size: Bytes = 0
    checksum: Annotated[str, Field(max_length=71, pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""


class UrlSource(Request):
    """The server downloads the image; an http address needs a checksum."""

    kind: Literal["url"]
    url: LongLine
    checksum: Checksum = ""


class CatalogueSource(Request):
    """An official image by its name in ``/v1/catalogue``; without a checksum the vendor's is fetched and counts."""

    kind: Literal["catalogue"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=REF_PATTERN)]
    checksum: Checksum = ""


class ImageCreate(Request):
    """An image; ``format`` empty means as found, ``project`` is its owner unless it is ``public``."""

    name: Name
    source: Annotated[UploadSource | UrlSource | CatalogueSource, Field(discriminator="kind")]
    project: OptionalRef = ""
    public: Flag = False
    format: Literal["", "qcow2", "raw", "iso"] = ""
    os_id: Line = ""
    default_user: Line = ""
    min_memory_mib: Count = 0
    min_disk: Bytes = 0


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image came from; the query of an address, which may hold a signature, is left out.

    ``verified_by``: the fingerprint of the vendor's key that signed the checksum file; empty: none was checked.
    """

    kind: str
    url: str
    checksum: str
    size: int
    verified_by: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An image that waits for bytes: ``offset`` of ``size`` are there (0: not announced), ``piece_max`` come at once.

    ``tail_sha256`` is the digest of the last 1 MiB of what is there, for whoever wants to go on with it (empty in
    lists); at ``expires_at`` an upload with which nobody went on is removed.
    """

    id: str
    name: str
    project_id: str | None
    size: int
    offset: int
    tail_sha256: str
    piece_max: int
    created_at: datetime
    received_at: datetime | None
    expires_at: datetime | None


class UploadFinish(Request):
    """All bytes were sent; ``sha256`` is their digest as the sender found it."""

    sha256: Annotated[str, Field(max_length=64, pattern=r"^([0-9a-f]{64})?$")] = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image; ``digest`` is the sha256 of its file as kept."""

    id: str
    name: str
    project_id: str | None
    state: str
    digest: str
    format: str
    size: int
    virtual_size: int
    os_id: str
    default_user: str
    min_memory_mib: int
    min_disk: int
    source: ImageSource
    error: OperationError | None
    operation_id: str | None
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class CatalogueImage:
    """An official cloud image that can be imported by its name."""

    name: str
    title: str
    os_id: str
    url: str
    checksums_url: str
    algorithm: str
    checksum_entry: str
    default_user: str
    min_memory_mib: int
    min_disk: int
    firmware: tuple[str, ...]
    pinned: bool
    arch: str
    eol: str
    signature_url: str
    signed_by: str
