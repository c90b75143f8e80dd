"""Fakes of a host for driver authors, unit tests and simulations: they obey ``zcloud.ports``."""

from __future__ import annotations

from zcloud.testing.fakedisk import FakeDisk
from zcloud.testing.fakedomains import FakeConsole, FakeDomain
from zcloud.testing.fakehypervisor import FakeHypervisor
from zcloud.testing.fakeshell import FakeShell

__all__ = ["FakeConsole", "FakeDisk", "FakeDomain", "FakeHypervisor", "FakeLink", "FakeShell"]


class FakeLink:
    """One fake host: ``shell`` and ``hypervisor``, and both of them away at once."""

    def __init__(self, shell: FakeShell | None = None, hypervisor: FakeHypervisor | None = None) -> None:
        self.shell = shell or FakeShell()
        self.hypervisor = hypervisor or FakeHypervisor()
        self.hypervisor.disk = self.shell.disk
        self.connection = 0

    @property
    def unreachable(self) -> bool:
        """Whether the host is away."""
        return self.shell.unreachable and self.hypervisor.unreachable

    @unreachable.setter
    def unreachable(self, away: bool) -> None:
        self.shell.unreachable = self.hypervisor.unreachable = away
