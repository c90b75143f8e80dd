"""``zcloud clone``, and ``zcloud instance template``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer, name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.launching import parse_nic
from zcloud.cli.output import note
from zcloud.cli.params import MIB, SIZE
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import route


@command
@name_argument("instances", name="source")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--linked/--full",
    default=None,
    help="Over a template's disks (in Ceph any instance's), or copies [linked for a template].",
)
@click.option("--flavor", default="", shell_complete=completer("flavors"), help="A named size [as the original].")
@click.option("--vcpus", type=click.IntRange(1), default=None, help="Virtual CPUs.")
@click.option("--memory", type=MIB, default=0, help="Memory, like 4G.")
@click.option("--disk-size", type=SIZE, default=0, help="Size of the root disk, like 40G.")
@click.option(
    "--network",
    multiple=True,
    metavar="NET[,address=A][,mac=M]",
    help="A NIC, in place of the original's networks; of several clones the first gets the address; repeatable.",
)
@click.option("--without", multiple=True, metavar="DISK", help="A data disk that is not cloned along; repeatable.")
@click.option("--pool", default="", shell_complete=completer("pools"), help="Where copies lie [as the original].")
@click.option("--no-start", is_flag=True, help="Make them, but do not start them.")
@wait_option
def clone(app: App, source: str, names: tuple[str, ...], wait: bool, **options: Any) -> None:
    """Clone an instance that is off, runs (its disks as they are at one moment) or is a template."""
    nics = [parse_nic(each) for each in options["network"]] or None
    body = {
        "names": list(names),
        "linked": options["linked"],
        "flavor": options["flavor"],
        "vcpus": options["vcpus"] or 0,
        "memory_mib": options["memory"],
        "root_size": options["disk_size"],
        "nics": nics,
        "without": list(options["without"]),
        "start": not options["no_start"],
        "pool": options["pool"],
    }
    answer = app.client.post(route("instances", source, "clone"), body, project=app.project)
    for told in answer.get("warnings", ()):
        note(app, _("Warning: {told}").format(told=plain(told)))
    made = ", ".join(map(plain, names))
    finish(app, answer, _("Made of {source}: {names}.").format(source=plain(source), names=made), wait=wait)


@command
@name_argument("instances")
@click.option("--undo", is_flag=True, help="Make an instance of it again, if nothing lies over its disks.")
@wait_option
def template(app: App, name: str, undo: bool, wait: bool) -> None:
    """Make a template of an instance that is off: it never runs or changes any more, and is there to be cloned."""
    answer = app.client.post(route("instances", name, "template"), {"on": not undo}, project=app.project)
    told = _("{name} is an instance again.") if undo else _("{name} is a template. Clone it: zcloud clone {name} NAME")
    finish(app, answer, told.format(name=plain(name)), wait=wait)
