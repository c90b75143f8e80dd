"""``zcloud host disk``: a host's own disks, and one made a place for pools."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size
from zcloud.client import Record, route


def _used(disk: Record) -> str:
    """Say who uses a disk, pools first; ``free`` is one that could be prepared."""
    words = [_("the system")] if disk["system"] else []
    words += [_("the pool {name}").format(name=each) for each in disk["pools"]]
    words += disk["uses"]
    return ", ".join(words) or _("free")


COLUMNS = (
    Column("NAME", "name"),
    Column("SIZE", lambda each: size(each["size"]), right=True),
    Column("MODEL", "model"),
    Column("SERIAL", "serial"),
    Column("ON IT", lambda each: ", ".join(each["content"])),
    Column("USED", _used),
    Column("PREPARED", "prepared"),
    Column("KIND", lambda each: each["transport"] or (_("rotating") if each["rotational"] else ""), wide=True),
    Column("WWN", "wwn", wide=True),
)
PLAN = (
    Column("host", "host"),
    Column("disk", lambda each: f"{each['disk']}, {size(each['size'])} {each['model']} {each['serial']}".rstrip()),
    Column("is lost", lambda each: ", ".join(each["lost"]) or _("nothing: it is empty")),
    Column("mounted at", lambda each: f"{each['mount']} ({each['filesystem']})"),
    Column("runs", lambda each: "\n".join(each["commands"])),
)


@command
@name_argument("hosts", name="host")
def list_disks(app: App, host: str) -> None:
    """List a host's disks as they are now: what is on each, and who uses it."""
    show_rows(app, app.client.pages(route("hosts", host, "disks")), COLUMNS, empty=_("The host has no disks."))


@command
@name_argument("hosts", name="host")
@click.argument("disk")
@click.option("--mount", required=True, metavar="/srv/NAME", help="Where it is mounted, now and at each boot.")
@click.option("--filesystem", type=click.Choice(("ext4", "xfs")), default="ext4", help="Its file system [ext4].")
@click.option("--erase", is_flag=True, help="What is on it may be lost.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@yes_option
@wait_option
def prepare(app: App, host: str, disk: str, **options: object) -> None:
    """Give an unused disk a partition, a file system and a mount, so that a pool can lie on it.

    The plan is shown first. A disk that is in use or has the system on it is refused, and one that is not empty unless
    --erase says that it may be lost.
    """
    wish = {name: options[name] for name in ("mount", "filesystem", "erase")}
    name = disk.removeprefix("/dev/")
    query = {**wish, "erase": str(wish["erase"]).lower()}
    plan = app.client.get(route("hosts", host, "disks", name, "preparation"), **query)
    if options["dry_run"] or app.for_people:
        _show(app, plan)
    if options["dry_run"]:
        return
    question = _("Erase {disk} of {host}?") if plan["lost"] else _("Prepare {disk} of {host}?")
    told = {"disk": plain(plan["disk"]), "host": plain(plan["host"])}
    confirm(question.format(**told), yes=bool(options["yes"]))
    answer = app.client.post(route("hosts", host, "disks", name, "prepare"), {**wish, "digest": plan["digest"]})
    text = _("{disk} of {host} is mounted at {mount}. Next: zcloud pool create NAME --host {host} --path {mount}")
    finish(app, answer, text.format(mount=plain(plan["mount"]), **told), wait=bool(options["wait"]))


def _show(app: App, plan: Record) -> None:
    """Show the plan; for people each command has a line of its own."""
    show_record(app, plan, PLAN[:-1] if app.for_people else PLAN)
    if app.for_people:
        note(app, _("These commands are run, with fresh ids:"))
        for each in plan["commands"]:
            note(app, f"  {plain(each)}")


@command
@name_argument("hosts", name="host")
@click.argument("mount", metavar="/srv/NAME")
@yes_option
@wait_option
def release(app: App, host: str, mount: str, yes: bool, wait: bool) -> None:
    """Unmount a disk that was prepared, for good; what is on it stays. A disk that a pool uses is refused."""
    told = {"host": plain(host), "mount": plain(mount)}
    confirm(_("Unmount {mount} of {host}, also for later boots?").format(**told), yes=yes)
    answer = app.client.post(route("hosts", host, "disks", "release"), {"mount": mount})
    finish(app, answer, _("{mount} of {host} is not mounted any more.").format(**told), wait=wait)
