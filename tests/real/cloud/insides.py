"""What a tiny guest says of itself: commands run in it by its agent."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Protocol

from tests.real.cloud.conftest import wait_for


class Virsh(Protocol):
    """A host on which virsh is run."""

    def virsh(self, *words: str) -> str:
        """Run virsh and give its output."""
        ...


@dataclass(frozen=True)
class Inside:
    """The inside of a guest, by its instance's id."""

    host: Virsh
    id: str

    def sh(self, script: str) -> str:
        """Run a script to its end and give what it printed; raises AssertionError where it failed."""
        arguments = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        pid = self._ask("guest-exec", arguments)["pid"]
        done = wait_for(lambda: self._ended(pid), 60, f"the end of {script!r}")
        out = base64.b64decode(done.get("out-data", "")).decode()
        assert done["exitcode"] == 0, (script, out, base64.b64decode(done.get("err-data", "")))
        return out.strip()

    def disk(self, serial: str) -> str:
        """Give the name of the disk with a serial, such as vdb; empty where the guest sees none."""
        virtio = f"grep -lx '{serial}' /sys/block/vd*/serial"
        scsi = f"grep -l '{serial}' /sys/block/sd*/device/vpd_pg80"
        found = self.sh(f"{virtio} 2>/dev/null || {scsi} 2>/dev/null || true")
        return found.split("/")[3] if found else ""

    def seconds(self, script: str) -> float:
        """Give how long a script took, as the guest's own clock tells."""
        took = self.sh(f"read a x </proc/uptime; {script} >/dev/null 2>&1; read b x </proc/uptime; echo $a $b")
        begun, ended = map(float, took.split())
        return ended - begun

    def _ended(self, pid: int) -> dict[str, Any] | None:
        status: dict[str, Any] = self._ask("guest-exec-status", {"pid": pid})
        return status if status["exited"] else None

    def _ask(self, command: str, arguments: dict[str, Any]) -> Any:
        request = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self.host.virsh("qemu-agent-command", self.id, request))["return"]
