"""The catalogue of official cloud images, as people see it."""

from __future__ import annotations

from zcloud.drivers.guest.catalogue import CatalogueImage, find_image, load_catalogue


class Catalogue:
    """The service behind ``zcloud image catalogue``; the catalogue ships with zcloud and is read once."""

    def __init__(self) -> None:
        self._images = load_catalogue()

    def all(self) -> tuple[CatalogueImage, ...]:
        """List the official images in the catalogue's order."""
        return tuple(self._images.values())

    def find(self, name: str) -> CatalogueImage:
        """Give the official image of a name; raises NotFound with names that are like it."""
        return find_image(self._images, name)
