"""Power without a new run: a guest that is held, reset, or kept in a file with all of its memory."""

from __future__ import annotations

from typing import Protocol


class PowerControl(Protocol):
    """More verbs on the domains of one host, named by uuid. Raises HypervisorFailed, HostUnreachable, NotFound."""

    def suspend(self, uuid: str) -> None:
        """Hold a running domain, with its memory where it is; held already is fine."""
        ...

    def reset(self, uuid: str) -> None:
        """Press the reset button: the guest boots again in the same process, and is not asked."""
        ...

    def save(self, uuid: str, path: str) -> None:
        """Write the domain's memory to a file of the host and take its power; done already is fine.

        Blocks while the memory is written. Where that fails, the guest runs on.
        """
        ...

    def restore(self, uuid: str, path: str, xml: str, *, held: bool = True) -> None:
        """Let a domain go on from its saved memory as ``xml`` describes it; on already is fine. The file stays.

        One that was held when it was saved is held again, but not with ``held`` false.
        """
        ...

    def saved_xml(self, path: str) -> str | None:
        """Give the XML of the domain in a file of saved memory; None where the file is not there or not whole."""
        ...
