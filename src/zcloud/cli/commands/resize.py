"""``zcloud instance resize``."""

from __future__ import annotations

from typing import Any

import click

from zcloud.cli.asking import completer, name_argument, wait_option
from zcloud.cli.base import command
from zcloud.cli.many import ask_each, verb
from zcloud.cli.params import MIB
from zcloud.cli.settings import App
from zcloud.cli.text import _


@command
@name_argument("instances", many=True)
@click.option("--flavor", default="", shell_complete=completer("flavors"), help="A named size.")
@click.option("--vcpus", type=click.IntRange(1), default=None, help="Virtual CPUs.")
@click.option("--memory", type=MIB, default=None, help="Memory, like 4G.")
@click.option("--max-vcpus", type=click.IntRange(0), default=None, help="vCPUs it can grow to while it runs; 0: none.")
@click.option("--max-memory", type=MIB, default=None, help="Memory it can grow to while it runs; 0: none.")
@click.option("--next-start", is_flag=True, help="Leave a running guest as it is until it starts again.")
@wait_option
def resize(app: App, name: tuple[str, ...], next_start: bool, wait: bool, **given: Any) -> None:
    """Give instances another size: at once where their guests can follow, or from their next start on."""
    asked = {
        "flavor": given["flavor"] or None,
        "vcpus": given["vcpus"],
        "memory_mib": given["memory"],
        "max_vcpus": given["max_vcpus"],
        "max_memory_mib": given["max_memory"],
    }
    body = {key: value for key, value in asked.items() if value is not None}
    if not body:
        raise click.UsageError(_("Say which size: --flavor, --vcpus, --memory, --max-vcpus or --max-memory."))
    told = _("{name} will have its new size when it starts again.") if next_start else _("{name} has its new size.")
    ask_each(app, name, verb(app, "resize", **body, next_start=next_start), told, wait=wait)
