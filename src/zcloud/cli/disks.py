"""What ``zcloud volume`` and ``zcloud instance disk`` share: how a disk is plugged in, limited and let go of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from zcloud.cli.params import SIZE, SPAN
from zcloud.cli.settings import App
from zcloud.cli.text import _
from zcloud.cli.units import parse_size, size
from zcloud.client import Record, route

_BYTES = ("total_bytes", "read_bytes", "write_bytes")
_IOPS = ("total_iops", "read_iops", "write_iops")
_SHORT = {"bytes": "total_bytes", "iops": "total_iops"}
_NAMES = ("bytes", "read_bytes", "write_bytes", "iops", "read_iops", "write_iops")
LIMITS = (*_NAMES, *(f"{name}_burst" for name in _NAMES), "burst")
"""Every key of a limit, as people write it."""

LIMIT_HELP = (
    "What it may do a second: bytes=50M, read_bytes=, write_bytes=, iops=500, read_iops=, write_iops=; "
    "each with a burst, as bytes_burst=100M, that may last burst=10 seconds; none takes all away; repeatable."
)


def plug_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add how a disk is plugged in."""
    bus = click.option(
        "--bus", type=click.Choice(("virtio", "scsi", "sata")), default="virtio", help="How the guest sees it [virtio]."
    )
    read_only = click.option("--read-only", is_flag=True, help="The guest may only read it.")
    shared = click.option(
        "--shared", is_flag=True, help="Only to read it; other instances may have it at the same time."
    )
    serial = click.option("--serial", default="", help="What the guest sees as its serial [from its id].")
    caches, ways = ("none", "writeback", "writethrough", "directsync"), ("threads", "native", "io_uring")
    cache = click.option("--cache", type=click.Choice(caches), help="The host's page cache [none, with direct I/O].")
    way = click.option("--io", type=click.Choice(ways), help="How QEMU reads and writes [threads].")
    discard = click.option(
        "--discard", type=click.Choice(("unmap", "ignore")), help="What becomes of blocks that it discards [unmap]."
    )
    return bus(read_only(shared(serial(cache(way(discard(limit_option(function))))))))


def limit_option(function: Callable[..., object]) -> Callable[..., object]:
    """Add --limit."""
    return click.option("--limit", "limits", multiple=True, metavar="KEY=VALUE", help=LIMIT_HELP)(function)


def size_option(function: Callable[..., object]) -> Callable[..., object]:
    """Add the size of a new disk."""
    return click.option("--size", "bytes_", type=SIZE, default=0, help="The size of a new one, like 10G.")(function)


def how_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add how a disk is let go of."""
    force = click.option("--force", is_flag=True, help="Do not ask the guest whether it is mounted.")
    span = click.option("--deadline", type=SPAN, default=60, help="How long the guest may take to let go of it [60s].")
    return force(span(function))


def read_limits(words: tuple[str, ...]) -> dict[str, int]:
    """Give the limits that ``KEY=VALUE`` words mean; raises click.BadParameter."""
    limits: dict[str, int] = {}
    for word in words:
        if word == "none":
            continue
        key, separator, value = word.partition("=")
        stem, burst = key.removesuffix("_burst"), key.endswith("_burst")
        name = _SHORT.get(stem, stem)
        if key in ("burst", "burst_s") and value.removesuffix("s").isdecimal():
            limits["burst_s"] = int(value.removesuffix("s"))
        elif separator and name in _BYTES:
            limits[f"{name}_burst" if burst else name] = parse_size(value)
        elif name in _IOPS and value.isdecimal():
            limits[f"{name}_burst" if burst else name] = int(value)
        else:
            raise click.BadParameter(_("{word!r} is no limit. {help}").format(word=word, help=_(LIMIT_HELP)))
    return limits


def limits_text(limits: Mapping[str, int]) -> str:
    """Give limits as people write them."""
    words = []
    for name in (*_BYTES, *_IOPS):
        show = size if name in _BYTES else str
        short = name.removeprefix("total_")
        words += [f"{short}={show(limits[name])}"] if limits[name] else []
        words += [f"{short}_burst={show(limits[f'{name}_burst'])}"] if limits[f"{name}_burst"] else []
    return " ".join([*words, *([f"burst={limits['burst_s']}s"] if limits["burst_s"] else [])])


def ask_to_attach(app: App, instance: str, settings: Mapping[str, Any]) -> Record:
    """Ask for a disk to be attached; raises ApiError."""
    body = {key: value for key, value in settings.items() if key != "limits" and value}
    body |= {"read_only": True} if body.get("shared") else {}
    answer: Record = app.client.post(
        route("instances", instance, "disks"), {**body, "limits": read_limits(settings["limits"])}, project=app.project
    )
    return answer


def ask_to_detach(app: App, instance: str, disk: str, how: Mapping[str, Any]) -> Record:
    """Ask for a disk to be taken away; raises ApiError."""
    query = {"force": how["force"], "delete": how.get("delete", False), "deadline_s": how["deadline"]}
    given = {key: str(value).lower() for key, value in query.items()}
    answer: Record = app.client.delete(route("instances", instance, "disks", disk), project=app.project, **given)
    return answer
