"""Flavors: named sizes that everybody may use."""

from __future__ import annotations

from zcloud.domain.errors import InvalidInput
from zcloud.domain.instance import Flavor
from zcloud.domain.names import check_name
from zcloud.domain.people import Actor, Role
from zcloud.domain.size import MAX_MEMORY_MIB, MAX_VCPUS, MIN_MEMORY_MIB
from zcloud.services.context import Services, authorize
from zcloud.services.launch import MAX_DISK


class Flavors:
    """The service behind ``zcloud flavor``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self) -> list[Flavor]:
        """List all flavors."""
        with self._store.read() as tx:
            return tx.flavors.all()

    def show(self, name: str) -> Flavor:
        """Give one flavor; raises NotFound."""
        with self._store.read() as tx:
            return tx.flavors.get(name)

    def add(self, actor: Actor, flavor: Flavor) -> Flavor:
        """Add a flavor; raises InvalidInput, AlreadyExists."""
        authorize(actor, None, Role.ADMIN, "Adding flavors")
        check_name(flavor.name, "flavor name")
        bounds = {
            "vcpus": (1, MAX_VCPUS),
            "memory_mib": (MIN_MEMORY_MIB, MAX_MEMORY_MIB),
            "root_size": (0, MAX_DISK),
        }
        for field, (least, most) in bounds.items():
            if not least <= getattr(flavor, field) <= most:
                raise InvalidInput(f"{field} must be {least} to {most}.", field=field)
        return self._store.transact(lambda tx: tx.flavors.add(flavor))

    def remove(self, actor: Actor, name: str) -> None:
        """Remove a flavor; instances that were made with it stay as they are. Raises NotFound."""
        authorize(actor, None, Role.ADMIN, "Removing flavors")
        self._store.transact(lambda tx: tx.flavors.delete(name))
