"""A nested host: a whole machine with its own kernel and systemd, in QEMU without KVM.

What namespaces cannot give runs in it: systemd, device-mapper, kernel NFS, AppArmor, reboots, and guests of its
own with ``/dev/kvm``, as QEMU emulates nested virtualisation. It boots in half a minute; ``save`` and ``restore`` bring
it back to a state in seconds. It reaches nothing but the machine's loopback port that leads to its SSH server.

    with NestedHost(nested_image(packages)) as host:
        host.save("booted")
        host.run(["systemctl", "is-system-running"])

One runs at a time; the next one waits. When the process that holds it dies, it dies too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import zcloud
from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run
from zcloud.lab.hosts import wait_for
from zcloud.lab.monitor import Monitor
from zcloud.lab.nestedimage import NestedImage
from zcloud.lab.remote import Remote

LOCK = Path("/run/lock/zcloud-nested")
_BOOT_SECONDS = 600.0  # 30 on a machine that does nothing else, 460 were seen on a busy one
_CONNECT_SECONDS = 60.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_KERNEL_WORDS = "root=/dev/vda rw console=ttyS0 loglevel=4 mitigations=off net.ifnames=0 systemd.show_status=1"


class NestedHost(Remote):
    """One machine of ``memory_mib`` with two CPUs; ``devices`` are more arguments for QEMU.

    ``console`` is the log of its serial console, ``key`` the private SSH key that it lets in as root.
    """

    def __init__(self, image: NestedImage, *, memory_mib: int = 4096, devices: Sequence[str] = ()) -> None:
        super().__init__()
        self._image, self._memory_mib, self._devices = image, memory_mib, tuple(devices)
        self._lock: IO[bytes] | None = None
        self._qemu: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None

    def __enter__(self) -> Self:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        self._lock = LOCK.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.prepare(Path(tempfile.mkdtemp(prefix="znest-", dir="/var/tmp")), _free_port())
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def console(self) -> Path:
        """The log of the serial console, from the first boot on."""
        return self.directory / "console.log"

    def save(self, name: str) -> None:
        """Keep the machine's whole state, memory and disk, under a name."""
        self.hang_up()
        self._qmp.human(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Go back to a kept state; only the clock goes on."""
        self.hang_up()
        self._qmp.human(f"loadvm {name}")
        self._await_ssh(_CONNECT_SECONDS)
        self.run(["date", "-s", f"@{time.time():.2f}"])

    def boot_id(self) -> str:
        """Give the kernel's name of this boot."""
        return self.run(["cat", _BOOT_ID]).stdout.strip()

    def reboot(self) -> None:
        """Shut down and boot again, as an operator does; back when the system is up."""
        before = self.boot_id()
        self.run(["systemctl", "reboot"], check=False)
        self.await_boot(before)

    def cut_power(self) -> None:
        """Press the reset button: nothing is shut down; back when the system is up."""
        before = self.boot_id()
        self._qmp.execute("system_reset")
        self.await_boot(before)

    def await_boot(self, before: str = "") -> None:
        """Wait until the system is up, in another boot than ``before``."""
        self.hang_up()
        self._await_ssh(_BOOT_SECONDS, before)
        self.run(["systemctl", "is-system-running", "--wait"], check=False)

    def tail(self, count: int = 2000) -> str:
        """Give the end of the console's log."""
        return self.console.read_text(errors="replace")[-count:] if self.console.exists() else ""

    def close(self) -> None:
        """End the machine and remove all that it had here."""
        self.hang_up()
        if self._monitor:
            self._monitor.close()
        if self._qemu and self._qemu.stdin:
            self._qemu.stdin.close()
            self._qemu.wait(timeout=20)
        if self.port:
            shutil.rmtree(self.directory, ignore_errors=True)
        if self._lock:
            self._lock.close()

    def _start(self) -> None:
        disk = self.directory / "disk.qcow2"
        backing = ("-b", str(self._image.disk), "-F", "raw")
        run(Command(("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(disk))))
        with (self.directory / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(
                [sys.executable, "-m", "zcloud.lab.tether", *self._qemu_argv(disk)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(zcloud.__file__).parents[1])},
                start_new_session=True,
            )
        wait_for(self._connect_monitor, 20, "QEMU answers")
        self.await_boot()

    def _qemu_argv(self, disk: Path) -> list[str]:
        public = self.key.with_suffix(".pub").read_text().strip()
        credential = f"type=11,value=io.systemd.credential:ssh.authorized_keys.root={public}"
        uplink = f"user,id=uplink,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        return [
            *("qemu-system-x86_64", "-name", "zcloud-nested", "-nodefaults", "-display", "none"),
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(self._memory_mib)),
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd), "-append", _KERNEL_WORDS),
            *("-smbios", credential),
            *("-serial", f"file:{self.console}"),
            *("-qmp", f"unix:{self.directory / 'monitor'},server=on,wait=off"),
            *(
                "-drive",
                f"file={disk},if=none,id=disk,cache=unsafe,discard=unmap",
                "-device",
                "virtio-blk-pci,drive=disk",
            ),
            *("-netdev", uplink, "-device", "virtio-net-pci,netdev=uplink,mac=52:54:00:1b:00:01"),
            *("-device", "virtio-rng-pci"),
            *self._devices,
        ]

    @property
    def _qmp(self) -> Monitor:
        assert self._monitor is not None
        return self._monitor

    def _connect_monitor(self) -> bool:
        self._check_alive()
        with suppress(OSError):
            self._monitor = Monitor(self.directory / "monitor")
        return self._monitor is not None

    def _check_alive(self) -> None:
        if self._qemu is None or self._qemu.poll() is not None or "Kernel panic" in self.tail(4000):
            log = (self.directory / "qemu.log").read_text(errors="replace")
            raise BuildFailed(f"the nested host ended: {log[-800:]} {self.tail()}")

    def _await_ssh(self, seconds: float, before: str = "") -> None:
        def answers() -> bool:
            self._check_alive()
            with suppress(subprocess.TimeoutExpired):  # an SSH server that is going down leaves us hanging
                told = self.run(["cat", _BOOT_ID], check=False, timeout=20).stdout.strip()
                return told not in ("", before)
            return False

        try:
            wait_for(answers, seconds, "the nested host answers SSH")
        except TimeoutError as error:
            raise BuildFailed(f"{error}; its console ends: {self.tail()}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
