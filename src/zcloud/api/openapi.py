"""The API's published description: FastAPI's, with what the guard adds to every route."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from zcloud.api.access import ROUTES, Rule, Scope
from zcloud.api.guard import GuardedRoute
from zcloud.api.problems import MEDIA_TYPE, STATUS
from zcloud.domain.errors import Kind
from zcloud.wire.problems import Problem

_TITLES = {
    Kind.INVALID: "A value is wrong.",
    Kind.UNAUTHENTICATED: "No valid session or token.",
    Kind.FORBIDDEN: "The role does not allow it.",
    Kind.MISSING: "No such thing, or none that the caller may see.",
    Kind.CONFLICT: "It cannot be done as things are.",
    Kind.PRECONDITION: "If-Match names an older revision.",
    Kind.TOO_LARGE: "The body is too large.",
    Kind.MISMATCH: "The Idempotency-Key was used for another request.",
    Kind.THROTTLED: "Too many failed logins, or too many questions to one host or pieces of uploads at once.",
    Kind.UNAVAILABLE: "A host or the store does not answer.",
    Kind.INTERNAL: "A defect of zcloud.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request with the same key is done once; its answer is given again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read; 412 where it was changed since.",
    "schema": {"type": "string", "maxLength": 20, "pattern": '^"[0-9]{1,15}"$'},
}
# Single things with a revision, and the verbs that heed it.
_REVISED = re.compile(
    r"/v1/(users|projects|hosts|pools|volumes|networks|images|instances)/\{(ref|id)\}(/(start|stop|restart))?"
)


class Description:
    """An application's description, made when it is first asked for: it takes more than a second."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._text = app, b""
        self._lock = threading.Lock()

    def read(self) -> bytes:
        """Give it as JSON."""
        with self._lock:
            self._text = self._text or describe(self._app)
            return self._text


def describe(app: FastAPI) -> bytes:
    """Give the description as JSON."""
    routes = [route.described() for route in app.routes if isinstance(route, GuardedRoute)]
    tree = get_openapi(title=app.title, version=app.version, routes=routes)
    schemas = tree["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = TypeAdapter(Problem).json_schema()
    tree["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, methods in tree["paths"].items():
        for method, operation in methods.items():
            _finish(operation, method.upper(), ROUTES[(method.upper(), path)])
            if method != "get" and _REVISED.fullmatch(path):
                operation.setdefault("parameters", []).append(_IF_MATCH)
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def _finish(operation: dict[str, Any], method: str, rule: Rule) -> None:
    operation["summary"] = operation["description"].splitlines()[0].rstrip(".")
    for code in ("422", "default"):
        operation["responses"].pop(code, None)
    described = {str(STATUS[kind]): _TITLES[kind] for kind in _kinds(method, rule)}
    described |= {code: told["description"] for code, told in operation["responses"].items() if code == "409"}
    for code, description in described.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"][code] = {"description": description, "content": content}
    if rule.scope is not Scope.PUBLIC:
        operation["security"] = [{"bearer": []}]
        operation["x-zcloud-role"] = f"{rule.scope}:{rule.role}"
    added = [_IDEMPOTENCY_KEY] if method == "POST" and rule.scope is not Scope.PUBLIC else []
    operation["parameters"] = operation.get("parameters", []) + added


def _kinds(method: str, rule: Rule) -> list[Kind]:
    found = [Kind.INVALID, Kind.MISSING, Kind.UNAVAILABLE, Kind.INTERNAL]
    if rule.scope is not Scope.PUBLIC:
        found += [Kind.UNAUTHENTICATED, Kind.FORBIDDEN]
    if rule.part:
        found.append(Kind.THROTTLED)
    if rule.asks:
        found += [Kind.CONFLICT, Kind.THROTTLED]
    if method != "GET":
        found += [Kind.CONFLICT, Kind.TOO_LARGE, Kind.MISMATCH, Kind.PRECONDITION]
    if rule.reveals and rule.scope is Scope.PUBLIC:
        found += [Kind.THROTTLED, Kind.UNAUTHENTICATED]
    if rule.scope is Scope.SESSION:
        found.append(Kind.THROTTLED)  # who is signed in says the password again, and can guess
    return found
