"""An instance's screen and keyboard, without a connection of their own: one picture, a few keys."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from zcloud.base.clock import Clock
from zcloud.domain.errors import Throttled, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.keys import parse_strokes, type_text
from zcloud.domain.people import Actor, Role
from zcloud.domain.picture import MAX_BYTES, to_png
from zcloud.services.context import Services
from zcloud.services.direct import Direct
from zcloud.services.owned import find

PICTURE_EVERY_S = 1.0
HOLD_MS = 40
_LIT = frozenset({InstanceStatus.RUNNING, InstanceStatus.PAUSED, InstanceStatus.STOPPING, InstanceStatus.RESTARTING})
_REMEMBERED = 1000


class Screens:
    """The service behind ``zcloud instance screenshot`` and ``zcloud instance keys``."""

    def __init__(self, services: Services, direct: Direct) -> None:
        self._store, self._direct = services.store, direct
        self._pace = _Pace(services.clock)

    def picture(self, actor: Actor, project: str, ref: str) -> bytes:
        """Give what is on the screen as PNG. Raises WrongState, Throttled, DeadlineExceeded, HypervisorFailed."""
        instance = self._lit(actor, project, ref, "see its screen")
        self._pace.check((actor.user_id, instance.id))
        picture = self._direct.ask(
            instance.host_id, lambda hypervisor: hypervisor.screenshot(instance.id, limit=MAX_BYTES)
        )
        return to_png(*picture)

    def press(self, actor: Actor, project: str, ref: str, *, keys: Iterable[str] = (), text: str = "") -> None:
        """Press keys, or type a text as on a US keyboard. Raises InvalidInput, WrongState, and as ``picture``."""
        strokes: Sequence[Sequence[int]] = type_text(text) if text else parse_strokes(keys)
        instance = self._lit(actor, project, ref, "press its keys")
        self._direct.ask(
            instance.host_id, lambda hypervisor: hypervisor.send_keys(instance.id, strokes, hold_ms=HOLD_MS)
        )

    def _lit(self, actor: Actor, project: str, ref: str, what: str) -> Instance:
        with self._store.read() as tx:
            instance = find(tx, actor, project, ref, Role.MEMBER)
        if not instance.screen:
            raise WrongState(
                f"The instance {instance.name} is headless; nobody can {what}.",
                hint=f"Use its serial console (`zcloud console {instance.name}`), or `zcloud instance log`.",
            )
        installs = instance.status is InstanceStatus.BUILDING and instance.incarnation > 0
        if instance.status not in _LIT and not installs:
            raise WrongState(f"The instance {instance.name} is {instance.status}; nobody can {what} now.")
        return instance


class _Pace:
    """Keeps the pictures that one person asks of one screen apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def check(self, key: tuple[str, str]) -> None:
        """Note a picture; raises Throttled where the last is too young."""
        now = self._clock.monotonic()
        with self._lock:
            if now - self._last.get(key, float("-inf")) < PICTURE_EVERY_S:
                raise Throttled("You had a picture of this screen a moment ago.", retry_after_s=1)
            if len(self._last) >= _REMEMBERED:
                self._last = {each: at for each, at in self._last.items() if now - at < PICTURE_EVERY_S}
            self._last[key] = now
