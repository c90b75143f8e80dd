"""The checksum that a vendor publishes for an official image now, fetched from the vendor."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from zcloud.cli.text import _
from zcloud.client import ApiError
from zcloud.domain.errors import DownloadFailed
from zcloud.drivers.guest.checksums import find_checksum

_TIMEOUT_S = 30
_MAX_FILE = 4 << 20
_AGENT = {"User-Agent": "zcloud"}


def current_checksum(entry: dict[str, Any]) -> str:
    """Give ``sha256:…`` or ``sha512:…`` of a catalogue entry, from its checksum file; raises ApiError."""
    text = _fetch(entry["checksums_url"], entry["name"]).decode("utf-8", "replace")
    try:
        return f"{entry['algorithm']}:{find_checksum(text, entry['algorithm'], entry['checksum_entry'])}"
    except DownloadFailed as error:
        raise ApiError(0, {"code": error.code, "detail": error.message, "hint": _("Give --checksum.")}) from error


def image_size(entry: dict[str, Any]) -> int:
    """Give the bytes of a catalogue entry's image, without getting it; raises ApiError where it is not there."""
    with _open(entry["url"], entry["name"], "HEAD") as answer:
        return int(answer.headers.get("Content-Length") or 0)


def _fetch(url: str, name: str) -> bytes:
    with _open(url, name) as answer:
        data: bytes = answer.read(_MAX_FILE)
    return data


def _open(url: str, name: str, method: str = "GET") -> Any:
    if urlsplit(url).scheme != "https":
        raise ApiError(0, {"code": "download_failed", "detail": _("{url} is not an https URL.").format(url=url)})
    request = urllib.request.Request(url, headers=_AGENT, method=method)  # noqa: S310 - https, see above
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310 - https, see above
    except (urllib.error.URLError, OSError, ValueError) as error:
        detail = _("{url} of {name} cannot be fetched: {error}.").format(url=url, name=name, error=error)
        hint = _("Check the network and the proxy (https_proxy), or import a file: zcloud image import FILE.")
        raise ApiError(0, {"code": "download_failed", "detail": detail, "hint": hint}) from error
