"""The catalogue of official cloud images, as people see it."""

from __future__ import annotations

from zcloud.drivers.guest.catalogue import CatalogueImage, load_catalogue


class Catalogue:
    """The service behind ``zcloud image catalogue``; the catalogue ships with zcloud and is read once."""

    def __init__(self) -> None:
        self._images = tuple(load_catalogue().values())

    def all(self) -> tuple[CatalogueImage, ...]:
        """List the official images in the catalogue's order."""
        return self._images
