"""Runs the demo on another distribution, as a newcomer would: ``python -m tools.elsewhere ubuntu-24.04 [COMMAND...]``.

A root is made from that distribution's own packages, with a copy of this checkout in ``/root/zcloud``, and entered with
mounts, processes and a host name of its own; there is no service manager in it, and its network is this machine's. The
machine's own certificate authorities go along. Without a command: the demo, the demo again, a look into its guest, and
its removal. Needs root and mmdebstrap.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zcloud.imagebuild.build import find_keyring, find_recipe
from zcloud.imagebuild.recipes import Recipe

ROOT = Path(__file__).resolve().parents[1]
HOME = "/root/zcloud"
DEMO = ["scripts/lib/newcomer.sh"]
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_root(recipe: Recipe, root: Path) -> None:
    """Unpack the distribution as it is when fresh, but for what every installation has besides."""
    with tempfile.TemporaryDirectory() as work:
        keyring = find_keyring(recipe.keyring, recipe.sources[0].mirror, Path(work))
        Path(work).chmod(0o755)  # apt reads the keys as a user of its own
        options = ["--variant=minbase", "--include=apt,ca-certificates,sudo", f"--keyring={keyring}"]
        lines = [f"deb {each.mirror} {each.suite} {' '.join(recipe.components)}" for each in recipe.sources]
        subprocess.run(["mmdebstrap", *options, recipe.suite, str(root), *lines], check=True)
    for each in _AUTHORITIES.glob("*.crt"):
        shutil.copy(each, root / str(_AUTHORITIES).lstrip("/"))
    subprocess.run(["chroot", root, "update-ca-certificates"], check=True, stdout=subprocess.DEVNULL)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    _copy_checkout(root / HOME.lstrip("/"))


def enter(root: Path, argv: Sequence[str]) -> int:
    """Run a command in the checkout there, and give its exit status."""
    kept = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")]
    inside = ["/usr/bin/env", "-i", "-C", HOME, "HOME=/root", f"PATH={_PATH}", "LANG=C.UTF-8", *kept, *argv]
    own = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
    return subprocess.run([*own, str(ROOT / "scripts/lib/enter.sh"), str(root), *inside], check=False).returncode


@contextmanager
def _somewhere(keep: str) -> Iterator[Path]:
    if keep:
        Path(keep).mkdir(parents=True, exist_ok=True)
        yield Path(keep)
        return
    with tempfile.TemporaryDirectory(prefix="zcloud-elsewhere-") as directory:
        yield Path(directory)


def _copy_checkout(target: Path) -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listing.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def _links() -> set[str]:
    return {each.name for each in Path("/sys/class/net").iterdir()}


def main() -> int:
    """Make the root unless it is there, and run the commands in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", help="one of `zcloud image build`, like ubuntu-24.04")
    parser.add_argument("command", nargs="*", help="instead of the demo")
    parser.add_argument("--root", default="", help="where its root is made and kept (default: a temporary directory)")
    given = parser.parse_args()
    with _somewhere(given.root) as place:
        root = place / "root"
        if not root.exists():
            make_root(find_recipe(given.system), root)
        begun, links = time.monotonic(), _links()
        status = enter(root, given.command or DEMO)
        for link in _links() - links:  # of networks that the distribution's own libvirt starts by itself
            subprocess.run(["ip", "link", "delete", link], check=False)
        print(f"{given.system}: ended with {status} after {time.monotonic() - begun:.1f} s", flush=True)
        return status


if __name__ == "__main__":
    sys.exit(main())
