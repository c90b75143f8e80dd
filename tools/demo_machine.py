"""What scripts/demo could leave on a machine: read before, compared after."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

WATCHED = (
    "/etc/libvirt/qemu",
    "/var/lib/libvirt/dnsmasq",
    "/var/lib/libvirt/images",
    "/var/lib/libvirt/qemu/nvram",
    "/var/lib/zcloud",
    "/var/log/libvirt/qemu",
)

LINKS = ("zc", "zbr-", "virbr", "vnet", "macvtap")
"""How the links begin that zcloud and its libvirt make; containers and other labs make theirs whenever they like."""


class DemoError(Exception):
    """Something did not work; the message is for the person who ran the demo."""


def run(argv: list[str], *, quiet: bool = False, check: bool = True, stdin: str = "") -> str:
    """Run a command and give what it printed; ``quiet`` keeps its progress off the screen."""
    done = subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise DemoError(f"{' '.join(argv)} ended with status {done.returncode}: {(done.stderr or '').strip()}")
    return done.stdout


def machine() -> dict[str, list[str]]:
    """Give what the demo could leave behind: nftables, links, libvirt's things, files."""
    virsh = ["virsh", "-q", "-c", "qemu:///system"]
    files = sorted(str(path) for place in WATCHED for path in Path(place).rglob("*"))
    return {
        "nftables": nft_tables(),
        "links": sorted(each.name for each in Path("/sys/class/net").iterdir()),
        "networks": run([*virsh, "net-list", "--all", "--name"], quiet=True, check=False).split(),
        "pools": run([*virsh, "pool-list", "--all", "--name"], quiet=True, check=False).split(),
        "domains": run([*virsh, "list", "--all", "--name"], quiet=True, check=False).split(),
        "files": files,
    }


def compare(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give the lines to tell of two pictures of a machine: what is ``left``, what others ``came`` or are ``gone``."""
    new = [(kind, each) for kind in after for each in after[kind] if each not in before[kind]]
    others = [(kind, each) for kind, each in new if kind == "links" and not each.startswith(LINKS)]
    gone = [(kind, each) for kind in after for each in before[kind] if each not in after[kind]]
    told = {"left": [each for each in new if each not in others], "came": others, "gone": gone}
    return {what: [f"{kind}: {each}" for kind, each in found] for what, found in told.items()}


def nft_tables() -> list[str]:
    """Give the nftables tables, as ``family name``."""
    return [line.removeprefix("table ") for line in run(["nft", "list", "tables"], check=False).splitlines()]


def remove_libvirt_tables(before: list[str]) -> None:
    """Remove the tables that our libvirt made for its networks and leaves; only those with nothing else in them.

    A libvirt that goes on running needs its chains, so this is for one that we started and stopped.
    """
    for table in set(nft_tables()) - set(before):
        rules = run(["nft", "-j", "list", "table", *table.split()], check=False)
        chains = {each["chain"]["name"] for each in json.loads(rules or "{}").get("nftables", []) if "chain" in each}
        if all(name.startswith("LIBVIRT_") or name.isupper() for name in chains):
            run(["nft", "delete", "table", *table.split()])
