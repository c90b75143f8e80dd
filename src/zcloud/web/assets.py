"""Files that browsers keep for ever: each address has the digest of all of them in it."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_ROOT = Path(__file__).with_name("static")
_STYLES = _ROOT / "styles"
# In this order: later ones have the last word.
_SHEETS = (
    "base", "controls", "frame", "parts", "charts", "tables", "forms", "launch", "overview", "infrastructure",
    "instance", "console", "helpers",
)  # fmt: skip
_PACKED = (".css", ".js", ".svg", ".txt")
_FOREVER = "public, max-age=31536000, immutable"


class File(NamedTuple):
    """A file as it is sent; ``packed`` is empty where that would not make it smaller."""

    body: bytes
    packed: bytes
    media_type: str


@cache
def files() -> dict[str, File]:
    """Give every file by its name below ``static``; they are a megabyte in all.

    The sheets of ``styles`` are one file, ``zcloud.css``: a page asks once for them.
    """
    paths = [path for path in sorted(_ROOT.rglob("*")) if path.is_file() and path.parent != _STYLES]
    found = {path.relative_to(_ROOT).as_posix(): _file(path.name, path.read_bytes()) for path in paths}
    sheets = b"".join((_STYLES / f"{name}.css").read_bytes() for name in _SHEETS)
    return found | {"zcloud.css": _file("zcloud.css", sheets)}


@cache
def digest() -> str:
    """Give what changes when any of the files does."""
    whole = hashlib.sha256()
    for name, file in files().items():
        whole.update(name.encode() + file.body)
    return whole.hexdigest()[:12]


def address(name: str) -> str:
    """Give a file's address; raises KeyError where there is none of that name."""
    files()[name]
    return f"/static/{digest()}/{name}"


async def _serve(request: Request) -> Response:
    file = files().get(request.path_params["name"])
    if file is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


def _file(name: str, body: bytes) -> File:
    suffix = Path(name).suffix
    packed = gzip.compress(body, 9, mtime=0) if suffix in _PACKED else b""
    kind = "font/woff2" if suffix == ".woff2" else mimetypes.guess_type(name)[0] or "text/plain"
    return File(body, packed, "text/javascript" if suffix == ".js" else kind)


ROUTES = (Route("/static/{digest}/{name:path}", _serve, methods=["GET"]),)
