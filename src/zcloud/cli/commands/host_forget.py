"""``zcloud host forget``: a host that is lost for good, with all that only it had."""

from __future__ import annotations

import click

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.output import Column, note, show_record
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import age, size
from zcloud.client import Record, route


def _instance(it: Record) -> str:
    return f"{it['name']} ({it['project']}, {_('protected') if it['protected'] else it['status']})"


def _claimed(plan: Record) -> str:
    memory, disk = size(plan["claimed_memory_mib"] << 20), size(plan["claimed_bytes"])
    told = _("{cpus} vCPUs, {memory} of memory, {disk} of its pools")
    return told.format(cpus=plan["claimed_vcpus"], memory=memory, disk=disk)


PLAN = (
    Column("host", "host"),
    Column("silent", lambda each: age(each["since"])),
    Column("why", "reason"),
    Column("instances", lambda each: ", ".join(map(_instance, each["instances"]))),
    Column("volumes", lambda each: ", ".join(f"{it['name']} {size(it['size'])}" for it in each["volumes"])),
    Column("pools", lambda each: ", ".join(each["pools"])),
    Column("networks", lambda each: ", ".join(each["networks"])),
    Column("given back", _claimed),
    Column("ends", lambda each: ", ".join(f"{it['verb']} {it['resource_name']}" for it in each["operations"])),
)


@command
@name_argument("hosts")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@yes_option
@wait_option
def forget(app: App, name: str, dry_run: bool, yes: bool, wait: bool) -> None:
    """Forget a host that is lost for good, with its instances, volumes, pools and networks.

    Only a lost host can be. Be sure that it is off: what it still runs goes on, with addresses that others get.
    """
    plan = app.client.get(route("hosts", name, "loss"))
    if dry_run or app.for_people:
        show_record(app, plan, PLAN)
    if dry_run:
        return
    note(app, _("Be sure that it is off. What is listed is gone from zcloud's records for good."))
    confirm(_("Forget {name}, and all of this?").format(name=plain(plan["host"])), yes=yes)
    answer = app.client.post(route("hosts", name, "forget"))
    finish(app, answer, _("{name} is forgotten.").format(name=plain(plan["host"])), wait=wait)
