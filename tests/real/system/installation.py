"""The wheel, and venvs that it is installed into as the documentation says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

Run = Callable[[list[str]], object]


def run(argv: list[str], **options: object) -> str:
    """Run a command, insist that it succeeds, and give what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
    return str(done.stdout)


def build_wheel(directory: Path) -> Path:
    """Build the wheel with the project's own script."""
    return Path(run([str(ROOT / "scripts/wheel"), str(directory)]).strip())


def make_venv(run_there: Run, venv: str, seen_as: Path, wheel: str, packages: set[str]) -> None:
    """Make a venv of the distribution's Python where ``run_there`` runs, with the wheel and ``packages``.

    ``seen_as`` is the venv's path for us. The packages are copied from the ones we run with, in the versions of the
    lock: nothing is fetched.
    """
    run_there(["/usr/bin/python3", "-m", "venv", "--system-site-packages", venv])
    for name in packages:
        _copy(distribution(name), seen_as / SITE)
    pip = [f"{venv}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_there([*pip, "--no-index", "--no-deps", wheel])


def server_packages() -> set[str]:
    """Give the names in server.lock that are installed here (some are for other systems)."""
    lock = (ROOT / "requirements/server.lock").read_text()
    installed = {re.sub("[-_.]+", "-", each.metadata["Name"]).lower() for each in Distribution.discover()}
    return set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)) & installed


def _copy(package: Distribution, site: Path) -> None:
    for file in package.files or ():
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and "__pycache__" not in file.parts and source.exists():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, site / file)
