"""A second factor beside the password: set up, proved, and taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from zcloud.domain.errors import AlreadyExists, InvalidInput, NotFound
from zcloud.domain.people import Actor, Role, SecondFactor
from zcloud.services import codes
from zcloud.services.context import Services, authorize
from zcloud.services.passwords import password_fits
from zcloud.services.signin import Origin, check_throttle, count_failure, throttle_keys
from zcloud.store import Tx


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given: the secret in base32, and the same as a URI for a QR code."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class FactorState:
    """Since when a user has a second factor (None: never), and how many recovery codes are left."""

    confirmed_at: datetime | None
    recovery_left: int


class SecondFactorService:
    """The service behind the account's second factor."""

    def __init__(self, services: Services) -> None:
        self._store, self._zone = services.store, services.zone

    def show(self, actor: Actor) -> FactorState:
        """Say whether the actor has one."""
        with self._store.read() as tx:
            found = tx.second_factors.get(actor.user_id)
        return FactorState(found.confirmed_at if found else None, len(found.recovery) if found else 0)

    def begin(self, actor: Actor, password: str, origin: Origin) -> Enrolment:
        """Give a new secret for an app; nothing is asked for at sign-in before it was proved.

        Raises AlreadyExists (take the present one away first), InvalidInput (the password is wrong), LoginThrottled.
        """
        keys = throttle_keys(actor.user_name, origin)
        with self._store.read() as tx:
            check_throttle(tx, keys)
            user = tx.users.get(actor.user_id)
        if not password_fits(password, user.password_hash):
            self._store.transact(lambda tx: count_failure(tx, keys, user.name, origin))
            raise InvalidInput("The password is wrong.", field="password")
        key = codes.new_key()

        def work(tx: Tx) -> None:
            if codes.is_needed(tx, user.id):
                raise AlreadyExists(
                    "There is a second factor already.", hint="Take that away first, with one of its codes."
                )
            tx.secrets.put(codes.KIND, user.id, key)
            tx.second_factors.put(SecondFactor(user.id, None))

        self._store.transact(work)
        return Enrolment(codes.key_text(key), codes.enrolment_uri(key, user.name, f"zcloud {self._zone}"))

    def confirm(self, actor: Actor, code: str, origin: Origin) -> tuple[str, ...]:
        """Prove that the app has the secret, and give the recovery codes, which are shown once.

        Raises NotFound (nothing was begun), InvalidInput (the code is wrong), LoginThrottled.
        """
        fresh = codes.new_recovery()

        def work(tx: Tx) -> bool:
            factor = tx.second_factors.get(actor.user_id)
            if factor is None or factor.confirmed_at is not None:
                raise NotFound("There is no second factor that waits for its first code.")
            if not codes.take(tx, actor.user_id, code):
                return False
            kept = tx.second_factors.get(actor.user_id) or factor
            tx.second_factors.put(
                replace(kept, confirmed_at=tx.now, recovery=tuple(codes.digest(each) for each in fresh))
            )
            return True

        self._prove(actor, origin, work)
        return fresh

    def remove(self, actor: Actor, code: str, origin: Origin) -> None:
        """Take the actor's own away; raises NotFound, InvalidInput (the code is wrong), LoginThrottled."""

        def work(tx: Tx) -> bool:
            if tx.second_factors.get(actor.user_id) is None:
                raise NotFound("You have no second factor.")
            taken = codes.take(tx, actor.user_id, code)
            if taken:
                codes.forget(tx, actor.user_id)
            return taken

        self._prove(actor, origin, work)

    def reset(self, actor: Actor, ref: str) -> None:
        """Take away that of a user who has lost device and codes; raises Forbidden, NotFound."""
        authorize(actor, None, Role.ADMIN, "Changing users")

        def work(tx: Tx) -> None:
            user = tx.users.resolve(ref)
            if not codes.forget(tx, user.id):
                raise NotFound(f"{user.name} has no second factor.")
            tx.sessions.delete_of_user(user.id)

        self._store.transact(work)

    def _prove(self, actor: Actor, origin: Origin, work: Callable[[Tx], bool]) -> None:
        keys = throttle_keys(actor.user_name, origin)
        with self._store.read() as tx:
            check_throttle(tx, keys)
        if not self._store.transact(work):
            self._store.transact(lambda tx: count_failure(tx, keys, actor.user_name, origin))
            raise InvalidInput("The code is wrong, or was used already.", hint="Wait for the next one.", field="code")
