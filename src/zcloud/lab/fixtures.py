"""A pytest plugin with real parts: ``pytest_plugins = ["zcloud.lab.fixtures"]``.

``tiny_image`` and ``probe_kit`` are paths, built once and cached; ``lab_host`` is a host of the test
session; ``two_hosts`` are two more on one network. A test that breaks a host makes its own ``Lab``.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.probekit import PROBE_CMDLINE, PROBE_WORD, build_probe_kit
from zcloud.lab import tiny
from zcloud.lab.hosts import Lab, NamespaceHost

_EMULATED_S, _LEAST_S = 120.0, 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="session")
def tiny_image() -> Path:
    """Give the tiny guest's disk (qcow2); make an overlay or a copy of it, never write to it."""
    return tiny.tiny_image()


@pytest.fixture(scope="session")
def probe_kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the KVM probe's ``vmlinuz``, ``initrd`` and ``sha256``."""
    return build_probe_kit(fetch_kernel(), tmp_path_factory.mktemp("probe-kit"))


@pytest.fixture(scope="session")
def kvm_works(probe_kit: Path) -> bool:
    """Say whether KVM boots a kernel here, as zcloud's own probe does; asked once for each boot of the machine."""
    known = DEFAULT_CACHE / f"kvm-{_BOOT_ID.read_text().strip()}"
    with (DEFAULT_CACHE / "kvm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            for stale in DEFAULT_CACHE.glob("kvm-*"):
                stale.unlink()
            begun = time.monotonic()
            _boots(probe_kit, "tcg", _EMULATED_S)
            works = _boots(probe_kit, "kvm", max(_LEAST_S, 2 * (time.monotonic() - begun)))
            known.write_text("works" if works else "hangs")
    return known.read_text() == "works"


@pytest.fixture(scope="session")
def lab_host(kvm_works: bool) -> Iterator[NamespaceHost]:
    """Give one host, shared by the tests of the session: leave it as you found it."""
    _need_root()
    with Lab(1, kvm=kvm_works) as lab:
        yield lab.hosts[0]


@pytest.fixture(scope="session")
def two_hosts(kvm_works: bool) -> Iterator[tuple[NamespaceHost, NamespaceHost]]:
    """Give two hosts on one network, shared by the tests of the session."""
    _need_root()
    with Lab(2, kvm=kvm_works) as lab:
        yield lab.hosts[0], lab.hosts[1]


def _boots(kit: Path, accel: str, within_s: float) -> bool:
    """Say whether the kit's kernel reaches its init."""
    cpu = "host" if accel == "kvm" else "max"
    machine = ("-accel", accel, "-machine", "q35", "-cpu", cpu, "-m", "128", "-nodefaults", "-nographic", "-no-reboot")
    kernel = ("-kernel", kit / "vmlinuz", "-initrd", kit / "initrd", "-append", PROBE_CMDLINE, "-serial", "stdio")
    try:
        done = subprocess.run(
            ["qemu-system-x86_64", *machine, *kernel],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=within_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return PROBE_WORD.encode() in done.stdout


def _need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespace hosts need root")
