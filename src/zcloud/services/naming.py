"""What an instance and its parts are called: a new name, and none while it is in the trash."""

from __future__ import annotations

from typing import Any

from zcloud.domain.errors import AlreadyExists, InstanceAdopted
from zcloud.domain.instance import TRASH_MARK, Instance
from zcloud.domain.names import check_name
from zcloud.domain.network import port_hostname
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


class Naming:
    """The service behind ``zcloud instance rename``."""

    def __init__(self, services: Services) -> None:
        self._store, self._zone = services.store, services.zone

    def rename(
        self, actor: Actor, project: str, ref: str, name: str, *, hostname: bool = False, revision: int | None = None
    ) -> Operation:
        """Give an instance another name, on its networks too; libvirt's stays as it was at birth.

        With ``hostname`` cloud-init is told it as well, for the guest's next boot. Raises InvalidInput, AlreadyExists,
        WrongState, Busy, RevisionMismatch.
        """
        check_name(name)

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "rename")
            if hostname and instance.adopted:
                raise InstanceAdopted(
                    f"The instance {instance.name} was adopted; its guest's host name is not zcloud's to give.",
                    hint="Rename it without --hostname, and set the host name in the guest.",
                )
            names = plan_names(tx, instance, name, self._zone)
            return begin_verb(tx, actor, instance, "rename", hostname=hostname, **names)

        return self._store.transact(work)


def plan_names(tx: Tx, instance: Instance, name: str, zone: str) -> dict[str, Any]:
    """Give what instance, ports and volumes will be called; raises AlreadyExists, also for a volume's name."""
    project = tx.projects.get(instance.project_id)
    if tx.instances.find(name, project.id) is not None:
        raise AlreadyExists(
            f"There is an instance {name} in the project {project.name} already.", hint="Choose another name."
        )
    old = str(instance.trash.get("name", instance.name))
    ports = tx.ports.of_instance(instance.id)
    volumes = {each.id: _renamed(each.name, old, name) for each in tx.volumes.of_instance(instance.id)}
    for volume_id, wanted in volumes.items():
        holder = tx.volumes.find(wanted, project.id)
        if holder is not None and holder.id != volume_id:
            raise AlreadyExists(
                f"There is a volume {wanted} in the project {project.name} already.", hint="Choose another name."
            )
    hostnames = {each.id: port_hostname(name, each.slot, project.name, zone) for each in ports}
    return {"name": name, "hostnames": hostnames, "volumes": volumes}


def plan_no_names(tx: Tx, instance: Instance) -> dict[str, Any]:
    """Give what they will be called in the trash: like nothing that people name, and nothing on their networks."""
    mark = f"{TRASH_MARK}{instance.id[:8]}"
    return {
        "name": f"{instance.name}{mark}",
        "hostnames": {each.id: "" for each in tx.ports.of_instance(instance.id)},
        "volumes": {each.id: f"{each.name}{mark}" for each in tx.volumes.of_instance(instance.id)},
    }


def _renamed(volume: str, old: str, new: str) -> str:
    """Give a volume's new name: those that were called after the instance are so again."""
    own = volume.partition(TRASH_MARK)[0]
    return f"{new}{own.removeprefix(old)}" if own.startswith(f"{old}-") else own
