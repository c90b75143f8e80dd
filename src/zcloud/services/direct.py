"""The few things that a host is asked while a request waits: a screen, keys, a definition, its disks.

They are bounded in time and number; everything else comes from the store. A host that does not answer holds no request
longer than ``timeout_s``, and one that answers slowly is not asked by more than a few at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import TypeVar

from zcloud.domain.errors import DeadlineExceeded, Throttled
from zcloud.ports import HostLink, Hypervisor

T = TypeVar("T")

_AT_ONCE = 2
_THREADS = 8


class Direct:
    """Asks hosts by their ids; ``link`` raises HostUnreachable at once for a lost one."""

    def __init__(self, link: Callable[[str], HostLink], *, timeout_s: float = 10.0) -> None:
        self._link, self._timeout_s = link, timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="direct")
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()

    def ask(self, host_id: str, work: Callable[[Hypervisor], T]) -> T:
        """Ask a host's libvirt (see ``look``)."""
        return self.look(host_id, lambda link: work(link.hypervisor))

    def look(self, host_id: str, work: Callable[[HostLink], T]) -> T:
        """Give what ``work`` finds. Raises Throttled, DeadlineExceeded, HostUnreachable, and what ``work`` does."""
        with self._lock:
            if self._busy[host_id] >= _AT_ONCE:
                raise Throttled("The host is being asked by others right now.", retry_after_s=1)
            self._busy[host_id] += 1
        future = self._threads.submit(self._do, host_id, work)
        try:
            return future.result(self._timeout_s)
        except TooLate as error:
            raise DeadlineExceeded(
                f"The host did not answer within {self._timeout_s:.0f} seconds.",
                hint="libvirt may be at work on the guest; try again in a while.",
            ) from error

    def _do(self, host_id: str, work: Callable[[HostLink], T]) -> T:
        try:
            return work(self._link(host_id))
        finally:
            with self._lock:
                self._busy[host_id] -= 1
                self._busy += Counter()  # forget what is at zero
