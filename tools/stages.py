"""The test stages: what each runs, in which lane, and for how long at most. Needs only the standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
CONTRACTS = ".importlinter.toml"


class Lane(StrEnum):
    """What a stage does most: ``WORK`` keeps a processor busy, ``GUESTS`` mostly waits for guests and daemons."""

    WORK = "work"
    GUESTS = "guests"


@dataclass(frozen=True, slots=True)
class Stage:
    """One named stage: directories of tests for pytest, or commands that need the files in ``needs``.

    ``limit_minutes`` ends a stage that hangs; ``root`` runs it by sudo when we are not root.
    """

    name: str
    lane: Lane = Lane.WORK
    tests: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    limit_minutes: int = 20


def stages() -> tuple[Stage, ...]:
    """Give all stages; each lane runs its own in this order: what fails fast comes first."""
    return (*_static(), *_work(), *_guests())


def _static() -> tuple[Stage, ...]:
    sources = tuple(name for name in ("src", "tests", "tools", "bench", "examples") if (ROOT / name).is_dir())
    shell = (str(ROOT / ".ci/run"), *_shell_scripts())
    python = str(BIN / "python")
    return (
        Stage(
            "lint",
            commands=(
                (str(BIN / "ruff"), "check", *sources),
                (str(BIN / "ruff"), "format", "--check", *sources),
                ("shellcheck", "-x", *shell),
                (str(BIN / "biome"), "ci", "--error-on-warnings"),
            ),
        ),
        Stage(
            "contracts",
            needs=(CONTRACTS,),
            commands=((str(BIN / "lint-imports"), "--config", CONTRACTS), (python, "tools/budgets.py", "src")),
        ),
        Stage("docs", needs=("tools/reference.py",), commands=((python, "tools/reference.py", "--check"),)),
        Stage("types", commands=((str(BIN / "mypy"), *sources),)),
    )


def _work() -> tuple[Stage, ...]:
    two = ("-n", "2")
    return (
        Stage("unit", tests=("tests/unit",), options=two, limit_minutes=60),
        _crash("postgresql"),
        Stage("api", tests=("tests/api", "tests/web"), options=two, limit_minutes=60),
        Stage("browser", tests=("tests/browser",), limit_minutes=20),
        _crash("sqlite"),
        Stage("conformance", tests=("tests/conformance",), root=True),
    )


def _crash(store: str) -> Stage:
    env = {"ZCLOUD_TEST_STORE": store}
    once = ("--ignore=tests/crash/test_points.py",) if store == "postgresql" else ()  # no store matters there
    return Stage(f"crash-{store}", tests=("tests/crash",), options=("-n", "2", *once), env=env, limit_minutes=60)


def _guests() -> tuple[Stage, ...]:
    """Give the stages of tests/real, the long ones first; an area is a directory there, and one stage shares hosts."""
    areas = {
        "cloud": ("cloud",),
        "install": ("demo", "imagebuild", "system"),  # the demo builds the image that imagebuild boots
        "storage": ("storage",),
        "images": ("compute", "images"),
        "hosts": ("hosts", "lab", "testing", "web"),
        "observer": ("observer",),
        "servers": ("roles", "crash", "operate"),
        "network": ("network", "guest"),
    }
    return tuple(
        Stage(
            f"real-{name}",
            Lane.GUESTS,
            tests=tuple(f"tests/real/{part}" for part in parts),
            root=True,
            limit_minutes=60,
        )
        for name, parts in areas.items()
    )


def _shell_scripts() -> list[str]:
    """Give the scripts that a shell runs, by their first line."""
    files = [path for path in sorted((ROOT / "scripts").rglob("*")) if path.is_file()]
    return [str(path) for path in files if b"bash" in path.read_bytes().split(b"\n", 1)[0]]


def unclaimed_directories(known: Sequence[Stage]) -> list[str]:
    """Give the directories with tests that no stage runs, so that none is forgotten."""
    claimed = [ROOT / directory for stage in known for directory in stage.tests]
    files = (ROOT / "tests").rglob("test_*.py")
    unclaimed = {path.parent for path in files if not any(path.is_relative_to(each) for each in claimed)}
    return sorted(str(path.relative_to(ROOT)) for path in unclaimed)
