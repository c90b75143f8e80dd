"""Commands about several instances at once: asked for one by one, waited for together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zcloud.cli.problems import exit_code, show_error
from zcloud.cli.progress import finish_all
from zcloud.cli.settings import App
from zcloud.cli.text import plain
from zcloud.client import ApiError, Record, route


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
