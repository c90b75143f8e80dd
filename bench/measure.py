"""What every part uses: costs of commands and processes, figures with their checks, and how they are kept."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".state" / "bench"
ZCLOUD = str(ROOT / ".venv/bin/zcloud")
MS = 1000.0


class Cost(NamedTuple):
    """What a command took, in seconds; ``cpu`` is its own and its children's, user and system."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Check:
    """A target: ``value`` may be ``limit`` at most."""

    target: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Say whether the target is met."""
        return self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison: samples by who was measured, zcloud first; ``key`` names it for good."""

    key: str
    title: str
    unit: str
    series: Mapping[str, Sequence[float]]
    checks: Sequence[Check] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part, and what a reader must know about them."""

    name: str
    title: str
    about: str
    figures: list[Figure] = field(default_factory=list)


def at_most(target: str, value: float, limit: float) -> Check:
    """Give a check of a value."""
    return Check(target, value, limit)


def ratio(target: str, ours: Sequence[float], theirs: Sequence[float], limit: float) -> Check:
    """Give a check of a ratio of medians."""
    return Check(target, median(ours) / median(theirs), limit)


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that ``share`` of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def scaled(rounds: int, full: int, quick: int) -> int:
    """Give how much to measure: all of it, or with one round just enough to see that it works."""
    return full if rounds > 1 else quick


def timed(work: Callable[[], object]) -> float:
    """Give how long something takes, in seconds."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def command(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command that has to succeed and give its cost."""
    begun = time.perf_counter()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with status {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def alternate(commands: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Run commands in turn, so that what else the machine does meets all of them; the first round does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, run in commands.items():
            cost = run()
            if number:
                costs[name].append(cost)
    return costs


def cpu_of(pid: int) -> float:
    """Give the CPU time in seconds that a process has used (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_of(pid: int, kind: str = "VmRSS") -> float:
    """Give a process's memory in MiB: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(kind)


def machine() -> dict[str, str]:
    """Give the facts of the machine that explain the figures."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {
        "CPU": f"{os.cpu_count()} x {cpu.partition(':')[2].strip()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{release['PRETTY_NAME'].strip(chr(34))}, kernel {platform.release()}",
        "Python": platform.python_version(),
        "libvirt": _output("libvirtd", "--version").rpartition(" ")[2],
        "QEMU": _output("qemu-system-x86_64", "--version").split("\n")[0].partition("version ")[2],
        "virt-install": _output("virt-install", "--version"),
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }


def keep(part: Part, when: str, facts: Mapping[str, str]) -> None:
    """Write a part's results down for the report."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"when": when, "machine": dict(facts), **asdict(part)}
    (RESULTS / f"{part.name}.json").write_text(json.dumps(record, indent=1))


def kept(name: str) -> tuple[Part, str, dict[str, str]] | None:
    """Give a part's last results, when they were measured and on what, or None."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    figures = [_figure(each) for each in record["figures"]]
    return Part(record["name"], record["title"], record["about"], figures), record["when"], record["machine"]


def _figure(record: dict[str, Any]) -> Figure:
    return Figure(**{**record, "checks": [Check(**each) for each in record["checks"]]})


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
