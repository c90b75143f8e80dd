"""``zcloud adopt``, ``zcloud forget`` and ``zcloud host domains``: what runs on hosts and is nobody's instance."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, say, show_record, show_rows
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route

DOMAINS = (
    Column("NAME", "name"),
    Column("STATE", lambda each: each["state"] if each["persistent"] else f"{each['state']} (transient)"),
    Column("CPUS", "vcpus", right=True),
    Column("MEMORY", lambda each: size(each["memory_mib"] << 20), right=True),
    Column("SEEN", lambda each: age(each["seen_at"]), right=True),
    Column("UUID", "uuid"),
)


def _disk(disk: Record) -> str:
    return " ".join(filter(None, (disk["target"], disk["bus"], disk["format"], disk["source"])))


def _nic(nic: Record) -> str:
    where = nic["network"] or _("no network of zcloud's")
    return f"{nic['mac']} {nic['type']} {nic['source']} ({where})"


PLAN = (
    Column("name", "name"),
    Column("domain", "domain"),
    Column("host", "host"),
    Column("project", "project"),
    Column("runs", "runs"),
    Column("room", "room"),
    Column("size", lambda each: f"{each['vcpus']} cpu {size(each['memory_mib'] << 20)}"),
    Column("firmware", "firmware"),
    Column("machine", "machine"),
    Column("screen", "screen"),
    Column("guest agent", "agent"),
    Column("disks", lambda each: "; ".join(map(_disk, each["disks"]))),
    Column("NICs", lambda each: "; ".join(map(_nic, each["nics"]))),
    Column("not mapped", lambda each: " ".join(each["unmapped"])),
    Column("uuid", "uuid"),
)


@command
@name_argument("hosts")
def domains(app: App, name: str) -> None:
    """List the domains on a host that are nobody's instance."""
    rows = app.client.pages(route("hosts", name, "domains"))
    show_rows(app, rows, DOMAINS, empty=_("There are none, as of the observer's last look."))


@command
@name_argument("hosts")
@click.argument("domain")
@click.option("--name", "called", default="", help="The instance's name; else the domain's, as far as it can be one.")
@click.option("--dry-run", is_flag=True, help="Only say what would be recorded, and what cannot be.")
@wait_option
def adopt(app: App, name: str, domain: str, called: str, dry_run: bool, wait: bool) -> None:
    """Take a domain on a host over as an instance; nothing is changed there. DOMAIN is its name or uuid."""
    if dry_run:
        plan = app.client.get(route("hosts", name, "domains", domain, "adoption"), name=called, project=app.project)
        show_record(app, plan, PLAN)
        return
    body = {"name": called, "project": app.project or ""}
    answer = app.client.post(route("hosts", name, "domains", domain, "adopt"), body)
    finish(app, answer, _("{name} is adopted.").format(name=plain(answer["resource"]["name"])), wait=wait)
    if wait and app.for_people:
        instance = app.client.get(route("instances", answer["resource"]["id"]))
        for each in instance["adopted"].get("unmapped", ()):
            note(app, plain(each))


@command
@name_argument("instances")
@yes_option
def forget(app: App, name: str, yes: bool) -> None:
    """Let an adopted instance go: its domain and disks stay on the host as they are."""
    confirm(_("Forget {name}? Its domain stays on its host.").format(name=plain(name)), yes=yes)
    app.client.post(route("instances", name, "forget"), project=app.project)
    say(app, _("{name} is not zcloud's any more; its domain was left alone.").format(name=plain(name)))
