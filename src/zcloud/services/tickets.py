"""Console tickets: one connection, once, within seconds, to one run of an instance, for one session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from zcloud.base.ids import new_secret
from zcloud.domain.errors import Unauthenticated, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.people import Actor, Role, Ticket
from zcloud.services.context import Services
from zcloud.services.owned import find
from zcloud.services.signin import actor_of_session
from zcloud.store import Tx

SERIAL = "serial"
SCREENS = ("vnc", "spice")  # as ``Instance.screen`` calls them
LIFE = timedelta(seconds=30)
_S = InstanceStatus
_OPEN_IN = frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPING, _S.STARTING, _S.BUILDING})  # while its installer runs, too


@dataclass(frozen=True, slots=True)
class Grant:
    """What a redeemed ticket allows: the console of this run of the instance, while the session lives."""

    ticket: Ticket
    instance: Instance

    @property
    def host_id(self) -> str:
        """Give the host that the instance is on."""
        return self.instance.host_id


class Tickets:
    """The service behind ``zcloud console``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def create(self, actor: Actor, project: str, ref: str, kind: str = SERIAL) -> tuple[str, Ticket]:
        """Give a ticket's secret (shown once) and its record; ``kind`` is SERIAL or one of SCREENS.

        Raises NotFound, Forbidden, WrongState.
        """
        secret = new_secret()

        def work(tx: Tx) -> Ticket:
            instance = find(tx, actor, project, ref)
            _check_state(instance)
            _check_screen(instance, kind)
            tx.tickets.prune()
            ticket = Ticket(
                digest=_digest(secret),
                session_id=actor.session_id,
                user_id=actor.user_id,
                instance_id=instance.id,
                incarnation=instance.incarnation,
                kind=kind,
                expires_at=tx.now + LIFE,
            )
            tx.tickets.add(ticket)
            return ticket

        return secret, self._store.transact(work)

    def redeem(self, secret: str) -> Grant:
        """Give what the ticket allows, once; raises Unauthenticated, NotFound, Forbidden, WrongState."""
        # Taken in a transaction of its own: a ticket that leads nowhere is used up all the same.
        ticket = self._store.transact(lambda tx: tx.tickets.take(_digest(secret)))
        if ticket is None:
            raise Unauthenticated("The ticket is over, was used, or never was.", hint="Ask for a new one.")
        return self.check(ticket)

    def check(self, ticket: Ticket) -> Grant:
        """Give what the ticket still allows: the same session, role, run and a running guest; raises as ``redeem``."""
        with self._store.read() as tx:
            actor = actor_of_session(tx, ticket.session_id)
            if actor.user_id != ticket.user_id:
                raise Unauthenticated("The ticket belongs to another session.")
            instance = find(tx, actor, "", ticket.instance_id, Role.MEMBER)
        if instance.incarnation != ticket.incarnation:
            raise WrongState("The instance was started anew since the ticket was given.", hint="Ask for a new one.")
        _check_state(instance)
        _check_screen(instance, ticket.kind)
        return Grant(ticket, instance)


def _check_state(instance: Instance) -> None:
    if instance.status not in _OPEN_IN or instance.incarnation == 0:
        raise WrongState(
            f"The instance {instance.name} is {instance.status}; it has no console now.",
            status=instance.status.value,
        )


def _check_screen(instance: Instance, kind: str) -> None:
    if kind in (SERIAL, instance.screen):
        return
    has = f"its screen is reached by {instance.screen.upper()}" if instance.screen else "it is headless"
    raise WrongState(
        f"The instance {instance.name} has no {kind.upper()} console: {has}.",
        hint=f"Its serial console: `zcloud console {instance.name}`. The screen is chosen with "
        f"`zcloud instance hardware {instance.name} --set screen=vnc`.",
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
