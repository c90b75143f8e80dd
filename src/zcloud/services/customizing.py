"""The system on an instance's disk changed while it is off: ``zcloud instance customize``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from zcloud.domain.customization import SECRET, Customization
from zcloud.domain.guest import GuestSecrets, describe_guest
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network, Port
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.domain.storage import Volume
from zcloud.drivers import registry
from zcloud.drivers.guest.offline import build_script, check_birth
from zcloud.drivers.storage.base import Feature
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


def check_pool(tx: Tx, volumes: Sequence[Volume]) -> None:
    """Go on only where the root among the volumes lies where it can be customized; raises PoolCannot."""
    for each in volumes:
        if not each.slot:
            registry.check_feature(tx.pools.get(each.pool_id), Feature.OFFLINE, "changes of a system that is off")


def check_told(
    tx: Tx,
    instance: Instance,
    nics: Sequence[tuple[Port, Network]],
    volumes: Sequence[Volume],
    secrets: GuestSecrets,
) -> None:
    """See, before it is admitted, that a new machine can be told what it is to be told; raises as that would."""
    image = tx.images.get(instance.image_id) if instance.image_id else None
    if instance.offline:
        check_pool(tx, volumes)
    check_birth(describe_guest(instance, nics, volumes, secrets), image.default_user if image else "")


class Customizing:
    """The service behind it."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def customize(
        self,
        actor: Actor,
        project: str,
        ref: str,
        what: Customization,
        *,
        network: bool = False,
        revision: int | None = None,
    ) -> Operation:
        """Change what is asked for; ``network``: its NICs are set up in the guest as zcloud has them.

        What is asked for is kept sealed until the operation has ended. Raises WrongState, InstanceAdopted, Busy,
        PoolCannot, InvalidInput, RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "customize")
            check_pool(tx, tx.volumes.of_instance(instance.id))
            asked = what
            if network:
                ports = sorted(tx.ports.of_instance(instance.id), key=lambda each: each.slot)
                nics = describe_guest(instance, [(each, tx.networks.get(each.network_id)) for each in ports]).nics
                asked = replace(what, nics=nics)
            script = build_script(asked)
            told = [each.name for each in fields(asked) if getattr(asked, each.name) != each.default]
            operation = begin_verb(tx, actor, instance, "customize", what=told)
            tx.secrets.put(SECRET, operation.id, script)
            return operation

        return self._store.transact(work)
