"""The catalogue of official cloud images, as people see it."""

from __future__ import annotations

import logging
from pathlib import Path

from zcloud.drivers.guest.catalogue import CatalogueImage, find_image, load_catalogue, read_catalogue

_log = logging.getLogger(__name__)
_NOT_THERE = (0, 0)


class Catalogue:
    """The service behind ``zcloud image catalogue``: what ships with zcloud, and an operator's files over it.

    The operator's directory is read again when it was changed.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._shipped = load_catalogue()
        self._directory = directory
        self._own: dict[str, CatalogueImage] = {}
        self._seen: object = None

    def all(self) -> tuple[CatalogueImage, ...]:
        """List the images in the catalogue's order, the operator's own ones last."""
        return tuple(self._images().values())

    def find(self, name: str) -> CatalogueImage:
        """Give the image of a name; raises NotFound with names that are like it."""
        return find_image(self._images(), name)

    def _images(self) -> dict[str, CatalogueImage]:
        if self._directory is not None and (seen := _state(self._directory)) != self._seen:
            self._own, wrong = read_catalogue(self._directory)
            self._seen = seen
            for file, why in wrong.items():
                _log.warning("%s is left out of the catalogue: %s", self._directory / file, why)
        return {**self._shipped, **self._own}


def _state(directory: Path) -> object:
    """Give what changes when a file of a directory does."""
    try:
        return sorted((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in directory.glob("*.toml"))
    except OSError:
        return _NOT_THERE
