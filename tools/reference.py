"""Writes docs/reference, and whatever else says what the code says; with ``--check`` only tells what is out of date.

What has no documentation in the code (an error without a docstring, an option without help) stops it: that is how
the reference stays whole.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]
os.environ |= {"LC_ALL": "C.UTF-8", "LANGUAGE": "C"}  # help texts are translated as they are read

from tools import reference_faces, reference_man, reference_types  # noqa: E402 - needs the path
from tools.reference_text import Undocumented, page, table, told  # noqa: E402

from zcloud.api.problems import STATUS  # noqa: E402 - also defines errors
from zcloud.base import config, configfile, meters  # noqa: E402
from zcloud.domain.driver import Option  # noqa: E402
from zcloud.domain.errors import Failed, Kind, Refused, ZcloudError, all_errors  # noqa: E402
from zcloud.domain.events import EVENT_KINDS  # noqa: E402
from zcloud.domain.hardware import HARDWARE, PROFILES  # noqa: E402
from zcloud.drivers import registry  # noqa: E402
from zcloud.operations.model import Workflow  # noqa: E402
from zcloud.operations.points import fault_points  # noqa: E402
from zcloud.services.metric_families import every_family  # noqa: E402
from zcloud.workflows.registry import WORKFLOWS  # noqa: E402

WHOLE = ("docs/reference", "share")  # directories in which nothing else may be
_OWN_STATUS = {"method_not_allowed": 405}


def errors() -> str:
    """Give every error: code, HTTP status, meaning, usual hint."""
    return page(
        "Errors",
        "Every error that a person or a program meets has a `code` that stays the same between releases. Over HTTP it "
        "is a problem (RFC 9457) with `code`, `detail` (what happened), `left` (what was changed or undone), `hint` "
        "(what to do) and `details` (values for programs).",
        *_errors("Refused: nothing was changed", Refused),
        *_errors("Failed: it was tried, and undone", Failed),
        *_errors("Other", ZcloudError, but=(Refused, Failed)),
    )


def _errors(title: str, base: type[ZcloudError], but: tuple[type[ZcloudError], ...] = ()) -> Iterator[str]:
    rows = []
    for code, cls in all_errors().items():
        if not issubclass(cls, base) or issubclass(cls, but):
            continue
        doc = told(cls.__dict__.get("__doc__"), f"the error {cls.__name__}")
        rows.append((f"`{code}`", str(status_of(code, cls.kind)), doc, cls.default_hint))
    yield f"## {title}"
    yield table(("Code", "Status", "Meaning", "What to do"), rows)


def status_of(code: str, kind: Kind) -> int:
    """Give the HTTP status of an error."""
    return _OWN_STATUS.get(code, STATUS[kind])


def events() -> str:
    """Give every kind of event."""
    rows = [(f"`{kind}`", told(sentence, kind)) for kind, sentence in EVENT_KINDS.items()]
    return page(
        "Events",
        "`GET /v1/events` and `zcloud event follow` give them in the order of their commits. Kinds can be asked for "
        "by their beginning: `kind=drift.`",
        table(("Kind", "When it comes"), rows),
    )


def options() -> str:
    """Give the options of every storage and network driver."""
    parts = []
    for kind, (storage, given) in registry.storage_kinds().items():
        features = ", ".join(sorted(feature.value for feature in storage.features)) or "none"
        parts += [f"## Pool: {kind}", told(storage.doc, kind), f"Features: {features}.", _options(given)]
    for kind, (network, given) in registry.network_kinds().items():
        serves = [name for name, does in (("DHCP", network.serves_dhcp), ("DNS", network.serves_dns)) if does]
        facts = f"Scope: {network.scope}. Serves: {', '.join(serves) or 'neither DHCP nor DNS'}."
        parts += [f"## Network: {kind}", told(network.doc, kind), facts, _options(given)]
    return page(
        "Options of pools and networks",
        "Given as `--option KEY=VALUE` to `zcloud pool create` and `zcloud network create`. Sizes are bytes.",
        *parts,
    )


def hardware() -> str:
    """Give the options of an instance's hardware, and what kinds of guest change of their defaults."""
    kinds = []
    for kind, values in PROFILES.items():
        told_values = ", ".join(f"`{name}={_plain(value)}`" for name, value in values.items())
        kinds.append((f"`{kind}`", told_values or "the defaults above"))
    return page(
        "Hardware of instances",
        "Given as `--set OPTION=VALUE` to `zcloud launch` and `zcloud instance hardware`, or as `hardware` and `set` "
        "over the API. A guest that runs has a change from its next start on; a host that cannot is refused with the "
        "reason.",
        _options(HARDWARE),
        "## Kinds of guest",
        "An image of Windows sets the option `os` by itself.",
        table(("`os`", "Defaults"), kinds),
    )


def _options(given: Iterable[Option]) -> str:
    rows = []
    for option in given:
        values = ", ".join(f"`{choice}`" for choice in option.choices) or option.type.value
        default = "must be given" if option.default is None else f"`{_plain(option.default)}`"
        rows.append((f"`{option.name}`", values, default, told(option.doc, option.name)))
    return table(("Option", "Value", "Default", "Meaning"), rows) if rows else "It has no options."


def configuration() -> str:
    """Give every key of the configuration with its default and meaning."""
    tables = [each.name for each in dataclasses.fields(config.Config) if _is_table(config.Config, each.name)]
    parts = ["## At the top of the file", _keys(config.Config, skip=tables)]
    for name in tables:
        cls = get_type_hints(config.Config)[name]
        parts += [f"## `[{name}]`", told(cls.__doc__, name), _keys(cls)]
    return page(
        "Configuration",
        f"One TOML file, `{config.DEFAULT_PATH}` unless `--config` names another; every key may be left out. "
        "An unknown key or a value of the wrong type stops the server from starting.",
        *parts,
    )


def _is_table(cls: type[Any], name: str) -> bool:
    return dataclasses.is_dataclass(get_type_hints(cls)[name])


def _keys(cls: type[Any], skip: Iterable[str] = ()) -> str:
    meanings, rows = configfile.meanings(cls), []
    for each in dataclasses.fields(cls):
        if each.name in skip:
            continue
        kind = str(each.type).replace("tuple[str, ...]", "list of texts").replace("Path", "path")
        meaning = told(meanings.get(each.name), f"the key {cls.__name__}.{each.name}")
        rows.append(
            (
                f"`{each.name}`",
                {"str": "text"}.get(kind, kind),
                f"`{_plain(each.default)}`",
                meaning[:1].upper() + meaning[1:],
            )
        )
    return table(("Key", "Type", "Default", "Meaning"), rows)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[]" if not value else str(list(value))
    return str(value) if not isinstance(value, str) or value else '""'


def workflows() -> str:
    """Give every workflow with its steps, what undoes them, and its fault points."""
    parts = []
    for name, workflow in sorted(WORKFLOWS.items()):
        steps = [(f"`{each.name}`", told(each.title, each.name), _undo(each.undo)) for each in workflow.steps]
        parts += [
            f"## {name}",
            f"{told(workflow.title, name)}. {_cancel(workflow)}",
            table(("Step", "What it does", "Undone by"), steps),
        ]
        parts.append(
            "Fault points: "
            + ", ".join(f"`{point.removeprefix(f'{name}.')}`" for point in fault_points(workflow))
            + "."
        )
    return page(
        "Workflows",
        "What an operation does, step by step. Each step is recorded before the next begins, may run twice, and after "
        "an error the steps are undone in reverse, the failed one included. Crash tests stop the process at each fault "
        "point, and at `STEP.VERB` of every call that changes something on a host.",
        *parts,
    )


def _undo(undo: Callable[..., None] | None) -> str:
    return "" if undo is None else told(undo.__doc__, f"the undo {undo.__qualname__}").splitlines()[0]


def _cancel(workflow: Workflow[Any]) -> str:
    return "It can be cancelled before its last step." if workflow.cancellable else "It cannot be cancelled."


def metrics() -> str:
    """Give every metric: of the process by its meters, of the cloud by the store's families."""
    own = [(f"`{name}`", kind, ", ".join(labels), told(text, name)) for name, kind, text, labels in meters.described()]
    cloud = [
        (f"`{each.name}`", each.kind, ", ".join(each.labels), told(each.help, each.name)) for each in every_family()
    ]
    return page(
        "Metrics",
        "What `/metrics` gives, in Prometheus' text format; who may read it and what it costs is in "
        "[monitoring](../operate/monitoring.md).",
        "## Of the process that answers",
        "Besides, `process_cpu_seconds_total`, `process_resident_memory_bytes` and their like.",
        table(("Metric", "Type", "Labels", "Meaning"), own),
        "## Of the cloud, the same in every process",
        table(("Metric", "Type", "Labels", "Meaning"), cloud),
    )


def pages() -> Mapping[str, str]:
    """Give the text of every file by its path from the project's root."""
    reference = {
        "cli.md": reference_faces.commands(),
        "config.md": configuration(),
        "errors.md": errors(),
        "events.md": events(),
        "metrics.md": metrics(),
        "hardware.md": hardware(),
        "openapi.json": reference_faces.openapi(),
        "options.md": options(),
        "rest.md": reference_faces.routes(),
        "workflows.md": workflows(),
    }
    return {
        **{f"docs/reference/{name}": text for name, text in reference.items()},
        **reference_man.files(),
        "src/zcloud/client/types.py": reference_types.types(),
    }


def main() -> int:
    """Write or check the files and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    check = parser.parse_args().check
    try:
        wanted = pages()
    except Undocumented as error:
        print(error)
        return 1
    stale = [name for name, text in wanted.items() if _read(ROOT / name) != text]
    there = [path for name in WHOLE for path in (ROOT / name).rglob("*") if path.is_file()]
    extra = sorted(name for path in there if (name := str(path.relative_to(ROOT))) not in wanted)
    if check:
        for name in stale + extra:
            print(f"{name} is out of date: run tools/reference.py")
        return 1 if stale or extra else 0
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(wanted[name])
        print(f"{name} written")
    for name in extra:
        (ROOT / name).unlink()
        print(f"{name} removed")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
