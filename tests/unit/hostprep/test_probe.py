"""KVM is called hung only where it takes much longer than emulation did on the same machine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from zcloud.domain.errors import CommandFailed, DeadlineExceeded
from zcloud.domain.host import Accel
from zcloud.hostprep.probe import PROBE_WORD, probe
from zcloud.ports import Completed
from zcloud.testing.fakeshell import FakeShell


class Machine(FakeShell):
    """A host whose kernel reaches its init after so many seconds; a text is what QEMU complains about instead."""

    def __init__(self, *, tcg: float | str, kvm: float | str) -> None:
        super().__init__()
        self.needs: dict[str, float | str] = {"tcg": tcg, "kvm": kvm}
        self.now = 0.0

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0, check: bool = True) -> Completed:
        needed = self.needs[argv[argv.index("-accel") + 1]]
        if isinstance(needed, str):
            return Completed(1, b"", needed.encode())
        self.now += min(needed, timeout_s)
        if needed > timeout_s:
            raise DeadlineExceeded("It took too long.")
        return Completed(0, PROBE_WORD + b"\n", b"")

    def probe(self) -> tuple[Accel, str]:
        return probe(self, lambda: self.now)


@pytest.mark.parametrize(("tcg", "kvm"), [(2.0, 0.8), (2.0, 4.9), (40.0, 79.0), (40.0, 12.0)])
def test_kvm_that_boots_is_used_however_slow_the_machine_is(tcg: float, kvm: float) -> None:
    assert Machine(tcg=tcg, kvm=kvm).probe()[0] is Accel.KVM


@pytest.mark.parametrize(("tcg", "waited"), [(2.0, 5), (10.0, 20)])
def test_kvm_that_hangs_costs_twice_what_emulation_needs(tcg: float, waited: int) -> None:
    machine = Machine(tcg=tcg, kvm=float("inf"))
    accel, reason = machine.probe()
    assert (accel, machine.now) == (Accel.TCG, tcg + waited)
    assert f"under KVM a kernel did not reach its init within {waited} seconds" in reason


def test_without_the_device_guests_are_emulated_and_it_says_so() -> None:
    accel, reason = Machine(tcg=2.0, kvm="Could not access KVM kernel module: No such file").probe()
    assert accel is Accel.TCG
    assert "Could not access KVM kernel module" in reason


@pytest.mark.parametrize("tcg", ["invalid accelerator tcg", float("inf")])  # inf: a busy machine in a machine
def test_kvm_without_emulation_is_enough(tcg: float | str) -> None:
    assert Machine(tcg=tcg, kvm=104.0).probe()[0] is Accel.KVM


def test_a_host_that_runs_nothing_is_refused() -> None:
    with pytest.raises(CommandFailed, match=r"neither under KVM .*no device.* nor by emulation .*no firmware"):
        Machine(tcg="no firmware", kvm="no device").probe()
