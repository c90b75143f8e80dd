"""``zcloud instance``: what is not also a command of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.asking import name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.commands.listing import SLOW, accelerator, extent, readiness, state
from zcloud.cli.launching import ON_BOOT
from zcloud.cli.many import Which, run, several
from zcloud.cli.output import Column, note, say, show_data, show_record
from zcloud.cli.progress import finish
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain, plain_lines
from zcloud.cli.units import age, size
from zcloud.client import Record, route

_ON_BOOT = {"last": _("runs as before"), "start": _("starts"), "stay-off": _("stays off")}


def find(app: App, name: str) -> Record:
    """Give the instance of that name or id; raises ApiError."""
    found: Record = app.client.get(route("instances", name), project=app.project)
    return found


def _nic(nic: Record) -> str:
    return " ".join(filter(None, (nic["network"], nic["address"], nic["mac"], nic["hostname"])))


def _seen(seen: Record) -> str:
    told = ", ".join(f"{source} {age(at)}" for source, at in seen["seen"].items())
    return " ".join(filter(None, (seen["address"], seen["interface"], seen["mac"], f"({told})")))


def _disk(disk: Record) -> str:
    at = f" {_('at')} {disk['mount']}" if disk["mount"] else ""
    return f"{disk['name']} {size(disk['size'])} ({size(disk['allocated'])} {_('used')}) {disk['state']}{at}"


def _error(instance: Record) -> str:
    error = instance["error"] or {}
    return " ".join(filter(None, (error.get("message"), error.get("hint"))))


def _room(instance: Record) -> str:
    vcpus, memory = instance.get("max_vcpus", 0), instance.get("max_memory_mib", 0)
    if not vcpus and not memory:
        return ""
    return f"{max(vcpus, instance['vcpus'])} cpu {size(max(memory, instance['memory_mib']) << 20)}"


def _pending(instance: Record) -> str:
    told = _("{name}: {now} now, {next} from the next start on")
    return "; ".join(told.format(name=name, **each) for name, each in instance.get("pending", {}).items())


def _detail(instance: Record) -> str:
    """Give why it is paused, until when it is frozen, or how large its saved memory may be."""
    if instance["status"] == "paused":
        return str(instance["observed"].get("power_detail", ""))
    if instance["frozen_until"]:
        return _("its file systems are frozen until {when}").format(when=instance["frozen_until"][:19])
    return _("its memory is in a file since {when}").format(when=instance["saved_at"]) if instance["saved_at"] else ""


def _reasons(instance: Record) -> list[str]:
    """Give the hardware that nobody chose, with why it is so."""
    told = instance.get("defaults", {}).items()
    values = {**instance["hardware"], "firmware": instance["firmware"]}
    return [f"{name} = {values[name]}: {why}" for name, why in sorted(told)]


def _theirs(kind: str, *names: str) -> Callable[[Record], str]:
    """Give what tells the disks or NICs of an adopted instance."""

    def told(instance: Record) -> str:
        found = instance["adopted"].get(kind, ())
        return "; ".join(" ".join(filter(None, (str(each[name]) for name in names))) for each in found)

    return told


COLUMNS = (
    Column("name", "name"),
    Column("status", state),
    Column("detail", _detail),
    Column("error", _error),
    Column("ready", readiness),
    Column("readiness", "ready_detail"),
    Column("address", "address"),
    Column("names", lambda each: [nic["hostname"] for nic in each["nics"] if nic["hostname"]]),
    Column("size", extent),
    Column("grows to", _room),
    Column("pending", _pending),
    Column("flavor", "flavor"),
    Column("image", "image"),
    Column("CD", "cd"),
    Column("CD with drivers", "driver_iso"),
    Column("user", "default_user"),
    Column("host", "host"),
    Column("accelerator", accelerator),
    Column("project", "project"),
    Column("firmware", "firmware"),
    Column("hardware of its system", lambda each: " ".join(_reasons(each))),
    Column("screen", lambda each: each["screen"] or _("none (headless)")),
    Column("networks", lambda each: "; ".join(map(_nic, each["nics"]))),
    Column("seen at", lambda each: "; ".join(map(_seen, each.get("addresses", ())))),
    Column("differs", lambda each: each.get("address_notes")),
    Column("disks", lambda each: "; ".join(map(_disk, each["disks"]))),
    Column("adopted disks", _theirs("disks", "target", "bus", "format", "source")),
    Column("adopted NICs", _theirs("nics", "mac", "type", "source", "network")),
    Column("not mapped", lambda each: " ".join(each["adopted"].get("unmapped", ()))),
    Column("tags", "tags"),
    Column("protected", "protected"),
    Column("when its host boots", lambda each: _ON_BOOT[each["on_boot"]]),
    Column("drift", lambda each: each["observed"].get("drift")),
    Column("created", lambda each: _("{age} ago by {who}").format(age=age(each["created_at"]), who=each["created_by"])),
    Column("started", lambda each: age(each["started_at"])),
    Column("operation", "operation_id"),
    Column("machine", "machine", wide=True),
    Column("id", "id"),
)


@command
@name_argument("instances")
def show(app: App, name: str) -> None:
    """Show an instance."""
    instance = find(app, name)
    show_record(app, instance, COLUMNS)
    if app.for_people and instance["accel"] == "tcg":
        note(app, plain(_(SLOW)))


@command
@name_argument("instances")
@click.argument("new_name")
@click.option("--hostname", is_flag=True, help="Have cloud-init give the guest this host name at its next boot.")
@wait_option
def rename(app: App, name: str, new_name: str, hostname: bool, wait: bool) -> None:
    """Give an instance another name, on its networks too."""
    body = {"name": new_name, "hostname": hostname}
    answer = app.client.post(route("instances", name, "rename"), body, project=app.project)
    told = _("{old} is called {new} now.").format(old=plain(name), new=plain(new_name))
    finish(app, answer, told, wait=wait)


@command
@name_argument("instances", many=True)
def protect(app: App, name: tuple[str, ...]) -> None:
    """Protect instances against deletion."""
    _change(app, name, {"protected": True}, _("{name} is protected."))


@command
@name_argument("instances", many=True)
def unprotect(app: App, name: tuple[str, ...]) -> None:
    """Take the protection against deletion away."""
    _change(app, name, {"protected": False}, _("{name} is not protected any more."))


@command
@name_argument("instances", many=True)
@click.argument("policy", type=click.Choice(ON_BOOT))
def on_boot(app: App, name: tuple[str, ...], policy: str) -> None:
    """Say what becomes of instances when their host has booted: run as before, start in any case, or stay off."""
    _change(app, name, {"on_boot": policy}, _("{name} is changed."))


@command
@name_argument("instances")
@click.argument("tags", nargs=-1, metavar="[+TAG|-TAG|TAG]...")
@click.option("--clear", is_flag=True, help="Take all tags away first.")
def tag(app: App, name: str, tags: tuple[str, ...], clear: bool) -> None:
    """Add tags (TAG or +TAG), take them away (write -- before the first -TAG), or show them."""
    instance = find(app, name)
    wanted = set() if clear else set(instance["tags"])
    for each in tags:
        (wanted.discard if each.startswith("-") else wanted.add)(each.lstrip("+-"))
    if tags or clear:
        body = {"tags": sorted(wanted)}
        instance = app.client.patch(route("instances", instance["id"]), body, revision=instance["revision"])
    if app.for_people:
        say(app, plain(", ".join(instance["tags"])))
    else:
        show_data(app, instance["tags"])


@command
@several
@click.option("--add", multiple=True, metavar="TAG", help="Add this tag; repeatable.")
@click.option("--remove", multiple=True, metavar="TAG", help="Take this tag away; repeatable.")
def retag(app: App, which: Which, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Add tags to several instances, or take them away."""
    if bool(add) == bool(remove):
        raise click.UsageError(_("Give --add or --remove."))
    verb = "tag" if add else "untag"
    run(app, which, verb, _("{name} is tagged anew."), tags=list(add or remove))


@command
@name_argument("instances")
@click.option("--raw", is_flag=True, help="Print what the guest wrote as it is, with its control sequences.")
def log(app: App, name: str, raw: bool) -> None:
    """Show what an instance wrote to its serial console."""
    text = app.client.text(route("instances", find(app, name)["id"], "console-log"))
    shown = text if raw else plain_lines(text)
    sys.stdout.write(shown if shown.endswith("\n") else f"{shown}\n")


def _change(app: App, names: tuple[str, ...], body: dict[str, Any], told: str) -> None:
    for name in names:
        instance = find(app, name)
        app.client.patch(route("instances", instance["id"]), body, revision=instance["revision"])
        say(app, told.format(name=plain(instance["name"])))
