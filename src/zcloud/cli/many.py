"""Commands about several instances at once: named, or chosen by a filter; asked for one by one, waited for together."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from zcloud.cli.asking import confirm, name_argument, yes_option
from zcloud.cli.base import EXIT_REFUSED
from zcloud.cli.output import Column, note, say, show_rows
from zcloud.cli.problems import exit_code, show_error
from zcloud.cli.progress import finish_all
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import ApiError, Record, route

_KEYS = ("status", "host", "image", "search")


class Which(NamedTuple):
    """The instances that a command is about."""

    names: tuple[str, ...]
    tags: tuple[str, ...]
    filters: tuple[str, ...]
    everything: bool
    dry_run: bool
    yes: bool

    @property
    def by_filter(self) -> bool:
        """Whether the server chooses them."""
        return bool(self.tags or self.filters or self.everything)

    def to_body(self) -> dict[str, Any]:
        """Give it as the API takes it; raises click.UsageError."""
        if self.names and self.by_filter:
            raise click.UsageError(_("Give names, or a filter."))
        if self.names:
            return {"names": list(self.names)}
        body: dict[str, Any] = {"tags": list(self.tags), "all": self.everything}
        for each in self.filters:
            key, equals, value = each.partition("=")
            if key not in _KEYS or not equals or not value:
                known = ", ".join(f"{name}=…" for name in _KEYS)
                raise click.UsageError(
                    _("{text!r} is not understood; known are {names}.").format(text=each, names=known)
                )
            body[key] = [*body.get(key, []), value] if key == "status" else value
        return body


def several(function: Callable[..., object]) -> Callable[..., object]:
    """Let a command name its instances or choose them; it gets a ``Which``."""

    @wraps(function)
    def call(app: App, /, name: tuple[str, ...], yes: bool, **rest: Any) -> object:
        chosen = {key: rest.pop(key) for key in ("tags", "filters", "everything", "dry_run")}
        which = Which(name, **chosen, yes=yes)
        if not name and not which.by_filter:
            raise click.UsageError(_("Say which: names, --tag, --filter or --all."))
        return function(app, which, **rest)

    wrapped: Callable[..., object] = call
    for add in (
        click.option("--dry-run", is_flag=True, help="Only say what would become of each."),
        click.option("--all", "everything", is_flag=True, help="All instances of the project."),
        click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="Only where it fits; repeatable."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="All with this tag; repeatable: with each."),
        yes_option,
        name_argument("instances", many=True, required=False),
    ):
        wrapped = add(wrapped)
    return wrapped


def run(app: App, which: Which, name: str, told: str, *, wait: bool = True, **arguments: Any) -> None:
    """Do a verb of ``POST /v1/instances/actions`` to chosen instances, after one confirmation that lists them."""
    body = {"verb": name, "arguments": arguments, "project": app.project or ""}
    planned = app.client.post("/v1/instances/actions", {**body, "which": which.to_body(), "dry_run": True})["results"]
    if which.dry_run:
        _show(app, planned)
        return
    fit = [each for each in planned if each["refusal"] is None]
    _tell_refusals(app, planned)
    if fit:
        names = ", ".join(plain(each["name"]) for each in fit)
        confirm(_("{verb} {count} instances: {names}?").format(verb=name, count=len(fit), names=names), yes=which.yes)
        # By their ids: what was confirmed is what it is done to, whatever fits the filter by now.
        chosen = {"names": [each["id"] for each in fit]}
        done = app.client.post("/v1/instances/actions", {**body, "which": chosen})["results"]
        _finish(app, done, told, wait=wait)
    else:
        note(app, _("Nothing is to be done."))
    if any(each["refusal"] for each in planned):
        raise click.exceptions.Exit(EXIT_REFUSED)


def ask_each(app: App, names: tuple[str, ...], ask: Callable[[str], Record], told: str, *, wait: bool) -> None:
    """Ask for all, then wait for all; a refusal of one is told and does not keep the others from it."""
    answers, refused = [], 0
    for name in dict.fromkeys(names):
        try:
            answers.append((ask(name), told.format(name=plain(name))))
        except ApiError as error:
            show_error(error)
            refused = refused or exit_code(error)
    if answers:
        finish_all(app, answers, wait=wait)
    if refused:
        raise click.exceptions.Exit(refused)


def verb(app: App, name: str, **body: Any) -> Callable[[str], Record]:
    """Give how an instance is asked for a verb of the API, with the same body each."""

    def ask(instance: str) -> Record:
        answer: Record = app.client.post(route("instances", instance, name), body or None, project=app.project)
        return answer

    return ask


def do(app: App, which: Which, name: str, told: str, *, wait: bool, **arguments: Any) -> None:
    """Do a verb: by name one request each, or else ``run``."""
    if which.by_filter or which.dry_run:
        run(app, which, name, told, wait=wait, **arguments)
    else:
        ask_each(app, which.names, verb(app, name, **arguments), told, wait=wait)


def _show(app: App, results: list[Record]) -> None:
    columns = (
        Column("NAME", "name"),
        Column("WOULD BE DONE", lambda each: _("no") if each["refusal"] else _("yes")),
        Column("WHY NOT", lambda each: (each["refusal"] or {}).get("message", "")),
    )
    show_rows(app, results, columns, empty=_("No instance fits."))


def _tell_refusals(app: App, results: list[Record]) -> None:
    for each in results:
        if each["refusal"]:
            note(app, f"{plain(each['name'])}: {plain(each['refusal']['message'])}")


def _finish(app: App, results: list[Record], told: str, *, wait: bool) -> None:
    _tell_refusals(app, results)
    begun = [({"operation": each["operation"]}, told.format(name=plain(each["name"])))
             for each in results if each["operation"]]  # fmt: skip
    for each in results:
        if not each["operation"] and not each["refusal"]:
            say(app, told.format(name=plain(each["name"])))
    if begun:
        finish_all(app, begun, wait=wait)
    if any(each["refusal"] for each in results):
        raise click.exceptions.Exit(EXIT_REFUSED)
