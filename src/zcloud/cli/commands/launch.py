"""``zcloud launch``, and ``zcloud explain``, which only says where it would go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from zcloud.cli.asking import completer
from zcloud.cli.base import EXIT_FAILED, EXIT_REFUSED, command
from zcloud.cli.launching import ON_BOOT, build_request
from zcloud.cli.output import Column, note, say, show_data, show_rows
from zcloud.cli.params import MIB, SIZE, SPAN
from zcloud.cli.problems import show_operation_error
from zcloud.cli.progress import follow, wait_ready
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import ApiError, Record, route

_OPTIONS = (
    click.option("--image", default="", shell_complete=completer("images"), help="What it boots from."),
    click.option(
        "--install",
        default="",
        metavar="IMAGE",
        shell_complete=completer("images"),
        help="A CD to install it from, onto a disk of --disk-size.",
    ),
    click.option(
        "--install-tree", default="", metavar="URL", help="Or where its installer's kernel and initrd are downloaded."
    ),
    click.option("--kernel-checksum", default="", metavar="sha256:…", help="Of the kernel from --install-tree."),
    click.option("--initrd-checksum", default="", metavar="sha256:…", help="Of the initrd from --install-tree."),
    click.option(
        "--answers", type=click.Path(path_type=Path), help="A preseed, kickstart, autoinstall or unattend file."
    ),
    click.option("--cmdline", default="", metavar="ARGUMENTS", help="Arguments of the installer's kernel."),
    click.option("--kernel", default="", metavar="PATH", help="The installer's kernel on the CD [known ones]."),
    click.option("--initrd", default="", metavar="PATH", help="Its initrd on the CD."),
    click.option("--install-within", type=SPAN, default=0, help="How long the installer may take [2h]."),
    click.option("--flavor", default="", shell_complete=completer("flavors"), help="A named size."),
    click.option("--vcpus", type=click.IntRange(1), default=None, help="Virtual CPUs."),
    click.option("--memory", type=MIB, default=0, help="Memory, like 4G."),
    click.option("--max-vcpus", type=click.IntRange(0), default=0, help="vCPUs it can grow to while it runs."),
    click.option("--max-memory", type=MIB, default=0, help="Memory it can grow to while it runs, like 8G."),
    click.option("--disk-size", type=SIZE, default=0, help="Size of the root disk, like 20G."),
    click.option("--pool", default="", shell_complete=completer("pools"), help="The pool of the root disk."),
    click.option(
        "--network",
        multiple=True,
        metavar="NET[,address=A][,mac=M]",
        shell_complete=completer("networks"),
        help="A NIC; repeatable.",
    ),
    click.option(
        "--disk",
        multiple=True,
        metavar="SIZE[,mount=DIR][,fs=ext4][,pool=P][,name=N][,bytes=50M][,iops=500]",
        help="A data disk, which the guest formats and mounts if it is told where; repeatable.",
    ),
    click.option(
        "--key",
        multiple=True,
        metavar="NAME|FILE",
        shell_complete=completer("keys"),
        help="A stored SSH key, or a public key's file; repeatable [your own ~/.ssh/id_*.pub].",
    ),
    click.option("--user-data", type=click.Path(path_type=Path), help="A cloud-init file."),
    click.option("--package", multiple=True, metavar="NAME", help="A package that the guest installs; repeatable."),
    click.option("--package-update", is_flag=True, help="The guest updates its lists of packages [with --package]."),
    click.option("--package-upgrade", is_flag=True, help="The guest upgrades all that is installed, first."),
    click.option(
        "--run-command", multiple=True, metavar="LINE", help="A line for the guest's shell, once, at last; repeatable."
    ),
    click.option("--password-stdin", is_flag=True, help="Read the password of a Windows guest from standard input."),
    click.option("--tag", multiple=True, help="A tag; repeatable."),
    click.option(
        "--firmware",
        type=click.Choice(("bios", "uefi")),
        default=None,
        help="How it boots [as its system needs it, else bios].",
    ),
    click.option("--os", default="", metavar="KIND", help="linux, windows or windows-11 [what the image is]."),
    click.option(
        "--driver-iso",
        default="",
        metavar="IMAGE",
        shell_complete=completer("images"),
        help="A CD with drivers, or none [for Windows the image of virtio-win, if there is one].",
    ),
    click.option("--cd", default="", metavar="IMAGE", shell_complete=completer("images"), help="A CD in its drive."),
    click.option("--set", "hardware", multiple=True, metavar="OPTION=VALUE", help="Hardware; repeatable."),
    click.option("--headless", is_flag=True, help="Make it without a screen."),
    click.option("--host", default="", shell_complete=completer("hosts"), help="Run it on this host."),
    click.option("--on-boot", type=click.Choice(ON_BOOT), help="What becomes of it when its host has booted [last]."),
    click.option(
        "--offline", is_flag=True, help="The image has no cloud-init: write name, network and keys to its disk first."
    ),
    click.option("--protect", is_flag=True, help="Protect it against deletion."),
    click.option("--no-start", is_flag=True, help="Make it, but do not start it."),
    click.option("--timezone", default="", help="The guest's time zone, like Europe/Berlin."),
    click.option("--locale", default="", help="The guest's locale, like de_DE.UTF-8."),
    click.option("--ntp", multiple=True, metavar="SERVER", help="A time server; repeatable."),
    click.option("--apt-proxy", default="", metavar="URL", help="The proxy for apt in the guest."),
    click.option("--dnf-proxy", default="", metavar="URL", help="The proxy for dnf in the guest."),
    click.option("--ready-within", type=SPAN, default=0, help="How long the guest may take to be ready [10m]."),
)


def _instance_options(function: Callable[..., object]) -> Callable[..., object]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return click.argument("name")(function)


@command
@_instance_options
@click.option("--dry-run", is_flag=True, help="Only say where it would run.")
@click.option(
    "--wait",
    is_flag=False,
    flag_value="done",
    default="done",
    type=click.Choice(("done", "ready")),
    help="Wait until it runs (done), or until its guest is ready [done].",
)
@click.option("--no-wait", is_flag=True, help="Do not wait.")
def launch(app: App, dry_run: bool, wait: str, no_wait: bool, **options: Any) -> None:
    """Make an instance and start it."""
    body = build_request({**options, "project": app.project}, Path.home())
    if dry_run:
        show_placement(app, body)
        return
    answer = app.client.post("/v1/instances", body)
    _warn(app, answer)
    if no_wait:
        if app.for_people:
            identity = plain(answer["operation"]["id"])
            say(app, _("Operation {id} began. Follow it: zcloud operation wait {id}").format(id=identity))
        else:
            show_data(app, answer)
        return
    operation = follow(app, answer["operation"])
    if operation["status"] != "succeeded":
        show_operation_error(operation)
        raise click.exceptions.Exit(EXIT_FAILED)
    _show_launched(app, answer["resource"]["id"], until_ready=wait == "ready" and not options["no_start"])


@command
@_instance_options
def explain(app: App, **options: Any) -> None:
    """Say where an instance would run, and why not elsewhere."""
    show_placement(app, build_request({**options, "project": app.project}, Path.home()))


def show_placement(app: App, body: Record) -> None:
    """Print where an instance would run; exits with 4 where no host would take it."""
    try:
        placement = app.client.post("/v1/instances", body, dry_run=True)
    except ApiError as error:
        refusals = error.details.get("refusals")
        if error.code != "no_room" or not isinstance(refusals, list):
            raise
        placement = {"candidates": [], "refusals": refusals}
    if app.for_people:
        rows = [
            {"host": each["host"], "fits": _("yes, {place}.").format(place=place), "score": f"{each['score']:.2f}"}
            for place, each in enumerate(placement["candidates"], start=1)
        ]
        rows += [{**each, "fits": _("no")} for each in placement["refusals"]]
        columns = (Column("HOST", "host"), Column("FITS", "fits"), Column("SCORE", "score", right=True),
                   Column("WHY NOT", "reason"), Column("NEAREST FIT", "nearest"))  # fmt: skip
        show_rows(app, rows, columns, empty=_("There is no host."))
        _explain_hardware(app, placement)
    else:
        show_data(app, placement)
    if not placement["candidates"]:
        raise click.exceptions.Exit(EXIT_REFUSED)


def _explain_hardware(app: App, placement: Record) -> None:
    for name, why in sorted(placement.get("defaults", {}).items()):
        value = placement["firmware"] if name == "firmware" else placement["hardware"][name]
        say(app, _("{name} = {value}: {why}").format(name=name, value=plain(str(value)), why=plain(why)))
    _warn(app, placement)


def _warn(app: App, answer: Record) -> None:
    for told in answer.get("warnings", ()):
        note(app, _("Warning: {told}").format(told=plain(told)))


def _show_launched(app: App, identity: str, *, until_ready: bool) -> None:
    instance: Record = app.client.get(route("instances", identity))
    name = plain(instance["name"])
    if until_ready:
        instance = wait_ready(app, name, instance)
    if not app.for_people:
        show_data(app, instance)
    else:
        where = plain(str(instance["address"]))
        say(app, _("{name}: {status} on {host} {address}").format(
            name=name, status=plain(instance["status"]), host=plain(instance["host"]), address=where
        ).rstrip())  # fmt: skip
        if where and instance["status"] == "running":
            say(app, _("Log in: zcloud ssh {name}    Its console: zcloud console {name}").format(name=name))
        if instance["accel"] == "tcg":
            note(app, _("It runs without KVM (tcg), many times slower: see `zcloud host show {host}`.").format(
                host=plain(instance["host"])
            ))  # fmt: skip
    if until_ready and instance["ready"] != "ready":
        note(app, _("{name} is not ready: {why}").format(name=name, why=plain(instance["ready_detail"])))
        note(app, _("  What to do: look at its console log: zcloud instance log {name}").format(name=name))
        raise click.exceptions.Exit(EXIT_FAILED)
