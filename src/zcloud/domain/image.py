"""Images: immutable, named by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

CD = "iso"
"""The format of an image that is put into a guest's CD drive, and that nothing boots from."""

FORMATS = ("qcow2", "raw", CD)


class ImageState(StrEnum):
    """Where an image is in its life."""

    WAITING = "waiting"  # for its upload
    IMPORTING = "importing"
    PAUSED = "paused"  # its download goes on when somebody says so
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Image:
    """The record of an image; sizes in bytes. The file is ``<digest>.<format>`` in the image store."""

    id: str
    name: str
    project_id: str | None  # None: for everybody
    state: ImageState
    digest: str  # sha256 of the file as kept, "" until ready
    format: str  # of FORMATS
    size: int
    virtual_size: int
    os_id: str
    default_user: str
    min_memory_mib: int
    min_disk: int
    source: Mapping[str, Any]  # kind: upload | url | catalogue, where from, and what is known of the bytes that came
    error: Mapping[str, Any] | None
    operation_id: str | None
    created_at: datetime
    revision: int
