"""QEMU's monitor, for machines that the lab itself started.

Source: QEMU ``docs/interop/qmp-spec.rst``.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from zcloud.domain.errors import BuildFailed

_ANSWER_SECONDS = 120.0


class Monitor:
    """One connection to the monitor on a Unix socket; raises OSError where nobody listens there."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rwb")
        self._read()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command and give what it returns; raises BuildFailed with QEMU's words."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while True:
            answer = self._read()
            if "error" in answer:
                raise BuildFailed(f"QEMU refused {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]

    def human(self, line: str) -> None:
        """Run one line of the monitor for people, which says nothing when all went well."""
        told = self.execute("human-monitor-command", **{"command-line": line})
        if told:
            raise BuildFailed(f"QEMU answered to {line}: {told.strip()}")

    def close(self) -> None:
        """End the connection; the machine runs on."""
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise BuildFailed("QEMU closed its monitor")
        answer: dict[str, Any] = json.loads(line)
        return answer
