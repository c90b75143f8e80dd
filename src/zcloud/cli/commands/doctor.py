"""``zcloud doctor``: what is wrong, why, and what to do about it. It changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click

from zcloud.cli.base import EXIT_FAILED, command
from zcloud.cli.output import Column, show_rows
from zcloud.cli.settings import App
from zcloud.cli.text import _
from zcloud.cli.units import age, size, timestamp
from zcloud.client import ApiError, Record

NEARLY_FULL = 0.9
_LEAST_FREE = 1 << 30
_LATE = 1.5  # of its interval


class Finding(NamedTuple):
    """One thing that was looked at; ``todo`` is empty where all is well."""

    check: str
    result: str  # ok, warning, failed
    found: str
    todo: str = ""


COLUMNS = (Column("CHECK", "check"), Column("RESULT", "result"), Column("FOUND", "found"), Column("WHAT TO DO", "todo"))


@command
def doctor(app: App) -> None:
    """Look for what is wrong, and say what to do about it."""
    findings = list(examine(app))
    show_rows(app, [each._asdict() for each in findings], COLUMNS)
    if any(each.result == "failed" for each in findings):
        raise click.exceptions.Exit(EXIT_FAILED)


def examine(app: App) -> Iterator[Finding]:
    """Look at the server, the sign-in, hosts, pools and operations, as far as this user may."""
    try:
        me = app.client.get("/v1/me")
    except ApiError as error:
        yield Finding(_("server"), "failed", str(error), error["hint"])
        return
    trusted = _("its certificate is trusted") if app.url.startswith("https:") else _("plain HTTP on this machine")
    yield Finding(_("server"), "ok", f"{app.url}: {trusted}")
    yield Finding(_("sign-in"), "ok", me["name"])
    yield from check_ready(app)
    yield from _look_once(app, _("reconcile"), "/v1/reconcile", check_reconcile)
    yield from _look_once(app, _("backup"), "/v1/backups", check_backups)
    checks: tuple[tuple[str, str, Callable[[Record], Iterator[Finding]]], ...] = (
        (_("host"), "/v1/hosts", check_host),
        (_("pool"), "/v1/pools", check_pool),
    )
    for title, path, check in checks:
        yield from _look(app, title, path, check)
    yield from _look_once(app, _("operating systems"), "/v1/os", check_systems)
    yield from _look(app, _("operation"), "/v1/operations", check_operation, status="blocked")


def check_reconcile(state: Record) -> Iterator[Finding]:
    """Say that the server was restored and changes nothing yet."""
    if state["active"]:
        told = _("restored from a backup of {at}: nothing is changed").format(at=state["taken_at"][:19])
        todo = _("Look at the differences, then go on: zcloud reconcile show; zcloud reconcile finish")
        yield Finding(_("reconcile"), "warning", told, todo)


def check_backups(state: Record) -> Iterator[Finding]:
    """Say how scheduled backups went."""
    title = _("backup")
    by_hand = state["by_hand_at"]
    if not state["directory"] and by_hand and time.time() - timestamp(by_hand) < _LATE * 86400:
        yield Finding(title, "ok", _("made by hand, {age} ago").format(age=age(by_hand)))
    elif not state["directory"]:
        todo = _("Set backup.directory in the server's configuration, or run zcloud backup create by a timer.")
        yield Finding(title, "warning", _("none are made by the server"), todo)
    elif state["failed_at"]:
        told = _("failed at {at}: {why}").format(at=state["failed_at"][:19], why=state["error"])
        yield Finding(title, "failed", told, _("Mend that; it is tried again every 15 minutes."))
    elif not state["last_at"]:
        yield Finding(title, "ok", _("the first one is being made"))
    else:
        late = time.time() - timestamp(state["last_at"]) > _LATE * state["every_h"] * 3600
        todo = _("Is an observer running? Look at the server's log.") if late else ""
        told = _("{file}, {age} ago").format(file=state["last_file"], age=age(state["last_at"]))
        yield Finding(title, "warning" if late else "ok", told, todo)


def check_systems(listing: Record) -> Iterator[Finding]:
    """Say whether the server knows more operating systems than those that ship with zcloud."""
    if not any(each["source"] == "osinfo-db" for each in listing["items"]):
        told = _("osinfo-db is not installed: only {count} newer ones are known").format(count=len(listing["items"]))
        yield Finding(_("operating systems"), "warning", told, _("On the server: apt install osinfo-db"))


def check_ready(app: App) -> Iterator[Finding]:
    """Say whether the store can be written, and whether operations are run and hosts are watched."""
    try:
        told = app.client.get("/readyz")
    except ApiError as error:
        told = error.problem
    remedy = _("Look at the server's processes (each role must run in one) and its log: journalctl -u zcloud")
    for check in told.get("checks", ()):
        result, found = ("ok", _("ok")) if check["ok"] else ("failed", check["reason"])
        yield Finding(check["name"], result, found, "" if check["ok"] else remedy)


def check_host(host: Record) -> Iterator[Finding]:
    """Say whether a host answers, and whether KVM works there."""
    title = _("host {name}").format(name=host["name"])
    if host["state"] != "up":
        yield Finding(title, "failed", f"{host['state']}: {host['state_reason']}", _host_remedy(host))
        return
    yield Finding(title, "ok", _("up"))
    if host["accel"] == "kvm":
        yield Finding(title, "ok", "kvm")
        return
    todo = _("Enable VT-x or AMD-V in the firmware (in a virtual machine: nested virtualisation), load kvm_intel or "
             "kvm_amd, then: zcloud host refresh {name}").format(name=host["name"])  # fmt: skip
    yield Finding(title, "warning", f"{host['accel']}: {host['accel_reason']}", todo)


def check_pool(pool: Record) -> Iterator[Finding]:
    """Say whether a pool can be used, and for how long yet."""
    title = _("pool {name}").format(name=pool["name"])
    show = _("Look at it: zcloud pool show {name}").format(name=pool["name"])
    if pool["state"] != "ready":
        yield Finding(title, "failed", pool["state"], show)
        return
    away = [each["reason"] for each in pool["joined"] if each["state"] != "ready"]
    if away:
        told = _("it cannot be used on {count} hosts: {why}").format(count=len(away), why=away[0])
        yield Finding(title, "warning", told, show)
        return
    grow = _("Delete volumes that are not needed (zcloud volume list --unused), or make the file system larger.")
    free = _("{free} of {total} are free").format(free=size(pool["available"]), total=size(pool["total"]))
    if pool["available"] < max(_LEAST_FREE, (1 - NEARLY_FULL) * pool["total"]):
        yield Finding(title, "warning", free, grow)
    elif pool["promisable"] and pool["promised"] > NEARLY_FULL * pool["promisable"]:
        told = _("{p} of {most} are promised").format(p=size(pool["promised"]), most=size(pool["promisable"]))
        yield Finding(title, "warning", told, _("Raise it with care: zcloud pool set {name} --overcommit N").format(
            name=pool["name"]
        ))  # fmt: skip
    else:
        yield Finding(title, "ok", free)


def check_operation(operation: Record) -> Iterator[Finding]:
    """Tell of an operation that cannot go on."""
    identity = operation["id"]
    told = f"{operation['verb']} {operation['resource']['name']}: {operation['wait_reason']}"
    todo = _("Bring its host back; it goes on by itself, or now: zcloud operation retry {id}").format(id=identity)
    yield Finding(_("operation {id}").format(id=identity[:8]), "failed", told, todo)


def _look(
    app: App, title: str, path: str, check: Callable[[Record], Iterator[Finding]], **query: Any
) -> Iterator[Finding]:
    try:
        things = list(app.client.pages(path, **query))
    except ApiError as error:
        if error.status != 403:
            yield Finding(title, "failed", str(error), error["hint"])
        return
    for each in things:
        yield from check(each)
    if not things and path == "/v1/hosts":
        yield Finding(title, "failed", _("there is none"), _("Add this machine: zcloud host add NAME --local"))


def _look_once(app: App, title: str, path: str, check: Callable[[Record], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check(app.client.get(path))
    except ApiError as error:
        if error.status not in (403, 404):  # an older server has no such path
            yield Finding(title, "failed", str(error), error["hint"])


def _host_remedy(host: Record) -> str:
    if host["inventory"].get("offered_fingerprint"):
        return _("Approve its key: zcloud host approve {name}").format(name=host["name"])
    if host["state"] == "degraded":
        return _("Start libvirt there: systemctl restart libvirtd (or virtqemud)")
    return _("Check its power and its network, and that sshd runs: ssh {user}@{address}").format(
        user=host["user"], address=host["address"] or "localhost"
    )
