"""Pages of the console at 1,000 and 10,000 instances: time to first byte, weight of a first load, elements."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import ssl
import time
from html.parser import HTMLParser
from typing import NamedTuple

from bench.fill import fill
from bench.measure import MS, Figure, Part, at_most, quantile, scaled
from bench.served import Served, over_fakes, served

SIZES = (1000, 10_000)
PATHS = ("/instances", "/overview", "/launch")
_REQUESTS = 60
_LINKED = re.compile(r'<(?:link|script)[^>]*?(?:href|src)="(/static/[^"]+)"')
_MODULES = ("live.js", "refresh.js", "times.js")  # what app.js imports
_FONTS = ("vendor/inter-latin.woff2", "vendor/jetbrains-mono-latin.woff2")
ABOUT = (
    "A server process over SQLite, HTTPS on the loopback, one connection kept alive, pages packed with gzip. Time to "
    "first byte is from the request to the answer's head. A first load is the page with its style sheets, modules, "
    "symbols and the two fonts that Latin text takes; consoles load more once they are opened. Elements are those of "
    "the document as it comes. WebVirtCloud took 2.5 s, 3.7 MB and 34,145 elements for 1,000 machines."
)


class _Page(NamedTuple):
    seconds: float
    sent: int
    text: str


class _Nodes(HTMLParser):
    count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element."""
        del tag, attrs
        self.count += 1


class _Browser:
    """One connection of somebody who is signed in."""

    def __init__(self, server: Served) -> None:
        token = json.loads((server.place / ".config/zcloud/cli.json").read_text())["token"]
        self._headers = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": f"zcloud-session={token}"}
        context = ssl.create_default_context(cafile=server.authority)
        self._connection = http.client.HTTPSConnection("127.0.0.1", server.config.server.port, context=context)

    def get(self, path: str) -> _Page:
        """Ask for a page or file; raises RuntimeError where it is not there."""
        begun = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        seconds, body = time.perf_counter() - begun, answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return _Page(seconds, len(body), (gzip.decompress(body) if packed else body).decode("utf-8", "replace"))

    def first_load(self, path: str) -> int:
        """Give the bytes that a browser takes that has nothing yet."""
        page = self.get(path)
        linked = dict.fromkeys(_LINKED.findall(page.text))
        root = re.match(r"/static/[^/]+/", next(iter(linked)))
        assert root is not None
        more = [f"{root[0]}{each}" for each in ("vendor/icons.svg", *_MODULES, *_FONTS)]
        return page.sent + sum(self.get(each).sent for each in dict.fromkeys([*linked, *more]))


def measure(rounds: int) -> Part:
    """Measure pages as the store grows."""
    times, weights, nodes = dict[str, list[float]](), dict[str, list[float]](), dict[str, list[float]]()
    with served(over_fakes("--role", "api"), fill=lambda config: fill(config, 1)) as server:
        for size in SIZES:
            fill(server.config, size)
            browser = _Browser(server)
            for path in PATHS:
                name = f"{path} of {size:,}"
                page = browser.get(path)
                times[name] = [browser.get(path).seconds * MS for _ in range(scaled(rounds, _REQUESTS, 3))]
                weights[name] = [browser.first_load(path) / 1024]
                counter = _Nodes()
                counter.feed(page.text)
                nodes[name] = [float(counter.count)]
    return Part("pages", "Pages of the console", ABOUT, _figures(times, weights, nodes))


def _figures(
    times: dict[str, list[float]], weights: dict[str, list[float]], nodes: dict[str, list[float]]
) -> list[Figure]:
    largest = f"/instances of {SIZES[-1]:,}"
    heaviest, most = max(each[0] for each in weights.values()), max(each[0] for each in nodes.values())
    slow = at_most(f"p95 of the list at {SIZES[-1]:,} at most 50 ms", quantile(times[largest], 0.95), 50)
    return [
        Figure("pages.time", "Time to first byte", "ms", times, [slow]),
        Figure("pages.weight", "First load, packed", "KiB", weights, [at_most("at most 150 KiB", heaviest, 150)]),
        Figure("pages.nodes", "Elements of the document", "", nodes, [at_most("at most 3,000", most, 3000)]),
    ]
