"""Files of Debian and Ubuntu packages, without installing the packages."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from zcloud.domain.errors import BuildFailed
from zcloud.lab.cache import cached

_QUIET = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def run(argv: Sequence[str | Path], *, cwd: Path | None = None, stdin: bytes | None = None) -> str:
    """Run a build command and give its standard output; raise ``BuildFailed`` with its last words."""
    try:
        done = subprocess.run(argv, cwd=cwd, input=stdin, capture_output=True, check=False, env=_QUIET)
    except FileNotFoundError as missing:
        raise BuildFailed(f"{argv[0]} is not installed", hint="Install the package that has it.") from missing
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-800:]
        raise BuildFailed(f"{argv[0]} ended with status {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")


def candidate(package: str) -> str | None:
    """Give the version apt would fetch, or None where apt knows no such package."""
    found = re.search(r"^  Candidate: (\S+)", run(["apt-cache", "policy", package]), re.MULTILINE)
    return None if found is None or found[1] == "(none)" else found[1]


def dependencies(package: str) -> list[str]:
    """Give the names of the packages that ``package`` depends on, in apt's order."""
    listing = run(["apt-cache", "depends", "--no-recommends", "--no-suggests", package])
    return re.findall(r"^ *\|?Depends: ([a-z0-9][^\s<>]*)", listing, re.MULTILINE)


def unpacked(package: str, cache: Path) -> Path:
    """Give a directory with the package's files (as below ``/``), fetched with apt when not cached.

    Raises ``BuildFailed`` when apt does not know the package or cannot fetch it.
    """
    version = candidate(package)
    if version is None:
        raise BuildFailed(f"apt knows no package {package}", hint="Run `apt-get update` and try again.")

    def fetch(directory: Path) -> None:
        # As root apt would drop to a user who cannot write to a private directory.
        run(
            ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", f"{package}={version}"],
            cwd=directory,
        )
        for archive in directory.glob("*.deb"):
            run(["dpkg-deb", "-x", archive, directory])
            archive.unlink()

    # A colon (epoch) in a path is poison to programs that take lists of paths.
    return cached(cache / "packages" / f"{package}_{version.replace(':', '%3a')}", fetch)
