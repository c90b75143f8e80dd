"""The parts of the reference that people and programs type: the command line and the REST API."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
from tools.reference_text import page, table, told

from zcloud.api.access import ROUTES, Rule, Scope
from zcloud.api.app import create_app
from zcloud.api.parts import Settings, build_parts
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.cli.app import program
from zcloud.services.arrivals import ArrivalLimits
from zcloud.services.context import Services
from zcloud.services.direct import Direct
from zcloud.services.tickets import Tickets
from zcloud.store import Sealer, Store
from zcloud.tunnel import Tunnel

# -- the command line ----------------------------------------------------------------------------


def commands() -> str:
    """Give every command with its arguments and options."""
    group = program()
    context = click.Context(group, info_name="zcloud")
    common = _params(click.Context(_first(group, context)), everywhere=True)
    return page(
        "Command line",
        told(group.help, "zcloud"),
        "## Options of every command",
        common,
        *(part for name in group.list_commands(context) for part in _command(group, context, name)),
    )


def _first(group: click.Group, context: click.Context) -> click.Command:
    found = group.get_command(context, "list")
    assert found is not None
    return found


def _command(group: click.Group, context: click.Context, name: str) -> Iterator[str]:
    found = group.get_command(context, name)
    assert found is not None
    inner = click.Context(found, info_name=name, parent=context)
    if isinstance(found, click.Group):
        for verb in found.list_commands(inner):
            yield from _command(found, inner, verb)
        return
    yield f"## {inner.command_path}"
    yield told(found.help, inner.command_path)
    yield f"```\n{' '.join(inner.get_usage().split()).removeprefix('Usage: ')}\n```"
    yield _params(inner)


def _params(context: click.Context, *, everywhere: bool = False) -> str:
    rows = []
    for param in context.command.params:
        if not isinstance(param, click.Option) or param.hidden:
            continue
        if (type(param).__name__ == "GlobalOption") is not everywhere:
            continue
        record = param.get_help_record(context)
        assert record is not None
        told(param.help, f"{context.command_path} {record[0]}")
        rows.append((f"`{record[0]}`", record[1]))
    return table(("Option", "Meaning"), rows)


# -- the REST API --------------------------------------------------------------------------------


@cache
def description() -> dict[str, Any]:
    """Give the API's OpenAPI description, from an application over an empty store."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(f"sqlite:///{directory}/store.sqlite", clock=SystemClock(), seal=Sealer(bytes(32)))
        try:
            services = Services(store, SystemClock(), Config().zone)
            settings = Settings(Path(directory), ArrivalLimits(1), 1, Config().zone, "1")
            console = Tunnel(Tickets(services), _no_console).route()
            direct = Direct(_no_console)
            parts = build_parts(services, settings, read_console_log=_no_log, console=console, direct=direct)
            app = create_app(parts)
            tree: dict[str, Any] = json.loads(app.state.openapi.read())
        finally:
            store.close()
    return tree


def _no_console(*_: Any) -> Any:
    raise NotImplementedError


def _no_log(*_: Any) -> bytes:
    raise NotImplementedError


def openapi() -> str:
    """Give the OpenAPI description as a file."""
    return json.dumps(description(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def routes() -> str:
    """Give every route: who may call it, what it takes and gives."""
    paths = description()["paths"]
    overview, parts = [], []
    for (method, path), rule in ROUTES.items():
        operation = paths.get(path, {}).get(method.lower())
        if operation is None:  # not in the description: websockets, the description itself
            overview.append((f"`{method} {path}`", _who(rule), _UNDESCRIBED[(method, path)]))
            continue
        does = told(operation.get("description"), f"{method} {path}")
        overview.append((f"`{method} {path}`", _who(rule), does.split(". ")[0].rstrip(".") + "."))
        parts += [f"## {method} {path}", does, f"Who: {_who(rule)}.", *_takes(operation), *_gives(operation)]
    return page("REST API", _INTRODUCTION, table(("Route", "Who", "What"), overview), *parts, "## Types", *_types())


_UNDESCRIBED = {
    ("WEBSOCKET", "/v1/console"): "A serial console as a websocket; the ticket in the query lets in, once.",
    ("GET", "/v1/openapi.json"): "This API's description.",
    ("GET", "/"): "What this server is.",
}

_INTRODUCTION = """\
`Authorization: Bearer SECRET` with a session's or token's secret. A thing is named by its id, or by its name with
`?project=`. A change that needs a host answers 202 with the operation and its `Location`;
`GET /v1/operations/ID?wait=30` answers when something about it changes. Lists take `limit`, `cursor`, `sort` and
`count`. `Idempotency-Key` makes a POST safe to repeat, `If-Match` makes a change refuse what was changed meanwhile.
Errors are in [errors.md](errors.md), the machine-readable description in [openapi.json](openapi.json) and at
`/v1/openapi.json` of every server."""

_SCOPES = {
    Scope.PUBLIC: "anybody",
    Scope.SELF: "any user",
    Scope.SESSION: "any user who is signed in (no token)",
}


def _who(rule: Rule) -> str:
    where = "in the project" if rule.scope is Scope.PROJECT else "everywhere"
    return _SCOPES.get(rule.scope, f"{rule.role} {where}")


def _takes(operation: Mapping[str, Any]) -> Iterator[str]:
    params = [each for each in operation.get("parameters", []) if each["in"] == "query"]
    if params:
        rows = [(f"`{each['name']}`", _type(each["schema"]), each.get("description", "")) for each in params]
        yield "Query:"
        yield table(("Name", "Type", "Meaning"), rows)
    schema = _schema(operation.get("requestBody", {}).get("content", {}))
    if schema is not None:
        yield f"Body: {_named(schema)}"


def _gives(operation: Mapping[str, Any]) -> Iterator[str]:
    for status, answer in sorted(operation["responses"].items()):
        if status.startswith("2"):
            schema = _schema(answer.get("content", {}))
            yield f"Answer {status}{': ' + _named(schema) if schema else '.'}"


def _named(schema: Mapping[str, Any]) -> str:
    """Give a body's type with a link to its fields; a list is told as what it lists."""
    if "anyOf" in schema:
        return " Or ".join(map(_named, schema["anyOf"]))
    name = _type(schema)
    if name.startswith("Listing"):
        item = _type(_resolved(schema)["properties"]["items"]["items"])
        return f"a list (`items`, `next_cursor`, `total`) of [{item}](#{item.lower()})."
    return f"[{name}](#{name.lower()})." if "$ref" in schema else f"{name}."


def _schema(content: Mapping[str, Any]) -> dict[str, Any] | None:
    found = content.get("application/json", {}).get("schema")
    return found if found else None


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    resolved: Mapping[str, Any] = description()["components"]["schemas"][name] if name else schema
    return resolved


def _fields(schema: Mapping[str, Any]) -> str:
    resolved = _resolved(schema)
    required = resolved.get("required", [])
    rows = []
    for name, each in resolved.get("properties", {}).items():
        default = "" if name in required else _default(each)
        rows.append((f"`{name}`", _type(each), default, str(each.get("description", ""))))
    return table(("Field", "Type", "Default", "Meaning"), rows)


def _default(schema: Mapping[str, Any]) -> str:
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if "default" in schema else ""


def _types() -> Iterator[str]:
    """Give the shapes that others are made of (whole bodies and answers stand at their routes)."""
    for name, schema in description()["components"]["schemas"].items():
        if "properties" in schema and not name.startswith("Listing"):
            yield f"### {name}"
            yield " ".join(str(schema.get("description", "")).replace("``", "`").split())
            yield _fields(schema)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
