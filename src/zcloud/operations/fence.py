"""A host's link behind the fence: nothing is changed there by a worker that no longer owns the operation.

Each changing call first passes the fault point ``WORKFLOW.STEP.VERB`` and then ``Control.fence``; reads go straight
through. Whatever is not named a read here is a change: a command of ``Shell.run``, too, because what it does is not
known here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from zcloud.operations.model import Control
from zcloud.ports import HostLink, Hypervisor, Shell

SHELL_READS = frozenset({"read_file", "list_files", "space"})
HYPERVISOR_READS = frozenset(
    {
        "node", "load", "capabilities_xml", "domain_capabilities_xml", "list_domains", "outlines", "stats",
        "domain_xml", "disk_sizes", "domain_size", "guest_addresses", "open_console", "open_screen", "list_networks",
        "network_xml", "list_pools", "saved_xml", "screenshot", "copy_job", "mirror_job", "has_secret",
    }
)  # fmt: skip


class FencedLink:
    """Both means of reaching a host (``ports.HostLink``), fenced."""

    def __init__(self, link: HostLink, control: Control) -> None:
        self.shell = cast("Shell", _Fenced(link.shell, SHELL_READS, control))
        self.hypervisor = cast("Hypervisor", _Fenced(link.hypervisor, HYPERVISOR_READS, control))


class _Fenced:
    """Stands for one of the two: the same verbs, those that change something behind the fence."""

    def __init__(self, means: Shell | Hypervisor, reads: frozenset[str], control: Control) -> None:
        self._means = means
        self._reads = reads
        self._control = control

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._means, verb)
        return call if verb in self._reads else partial(self._pass, verb, call)

    def _pass(self, verb: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._control.fault(f"{self._control.operation.workflow}.{self._control.step}.{verb}")
        self._control.fence()  # last: whoever was stopped at the fault point has lost the operation by now
        return call(*args, **kwargs)
