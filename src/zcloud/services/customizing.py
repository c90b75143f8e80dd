"""The system on an instance's disk changed while it is off: ``zcloud instance customize``."""

from __future__ import annotations

from dataclasses import fields, replace

from zcloud.domain.customization import SECRET, Customization
from zcloud.domain.guest import describe_guest
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.drivers.guest.offline import build_script
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


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
        InvalidInput, RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "customize")
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
