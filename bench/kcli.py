"""kcli as its users have it: from PyPI, in a virtual environment that is made for one measurement."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.lab import BASE, MEMORY_MIB, NETWORK, RawHost
from bench.measure import Cost, command

_CONFIG = """default:
  client: bench
bench:
  type: kvm
  host: 127.0.0.1
  protocol: unix
  pool: bench
  nets: [{network}]
"""


class Kcli:
    """kcli inside a host, over its local socket, with the pool and network that ``RawHost`` prepared."""

    def __init__(self, raw: RawHost, place: Path) -> None:
        self._raw, self._home = raw, place
        python = place / "venv/bin/python"
        # libvirt's module comes from the distribution, as for zcloud.
        _run(sys.executable, "-m", "venv", "--system-site-packages", str(place / "venv"))
        _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "kcli")
        self.version = _run(str(python), "-c", "import importlib.metadata as m; print(m.version('kcli'))").strip()
        (place / ".kcli").mkdir()
        (place / ".kcli/config.yml").write_text(_CONFIG.format(network=NETWORK))

    def create(self, name: str, *, start: bool) -> Cost:
        """Make a guest from the image, with cloud-init; raises libvirtError where kcli only said that it did."""
        words = [
            f"memory={MEMORY_MIB}", "numcpus=1", "disks=[1]", f"nets=[{NETWORK}]", f"start={str(start).lower()}",
            f"virttype={self._raw.virt_type}", "cpumodel=qemu64" if self._raw.virt_type == "qemu" else "",
        ]  # fmt: skip
        options = [each for word in words if word for each in ("-P", word)]
        cost = self._command("create", "vm", "-i", Path(BASE).name, *options, name)
        if bool(self._raw.connection.lookupByName(name).isActive()) is not start:
            raise RuntimeError(f"kcli ended well, and {name} is not as it was to be")
        return cost

    def clone(self, source: str, name: str) -> Cost:
        """Copy a guest that is off."""
        cost = self._command("clone", "-b", source, name)
        self._raw.connection.lookupByName(name)
        return cost

    def remove(self, name: str) -> None:
        """Remove a guest and its disks."""
        self._command("delete", "vm", "-y", name)

    def _command(self, *words: str) -> Cost:
        env = ("env", f"HOME={self._home}", str(self._home / "venv/bin/kcli"))
        return command([*self._raw.host.daemons.enter, *env, *words])


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"kcli cannot be measured: `{' '.join(argv)}` failed: {done.stderr[-800:]}")
    return done.stdout
