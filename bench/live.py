"""A console that is left open in Chromium while the cloud changes: how it answers, what it takes, what it misses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench import changes
from bench.fill import fill
from bench.measure import Figure, Part, at_most, scaled
from bench.served import Served, over_fakes, served
from zcloud.base.clock import SystemClock
from zcloud.main.wiring import open_store
from zcloud.store import Store

SIZES = (1000, 10_000)
_STREAMS = 100
_SECONDS = float(os.environ.get("ZCLOUD_BENCH_LIVE_S", "20"))
_SETTLE_S = 10.0
_ALONE = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
# Longest time between two frames, and how long what blocks takes: told by the page itself.
_WATCH = """() => {
  window.seen = { gaps: [], blocked: 0 };
  let last = performance.now();
  const frame = (now) => { seen.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => list.getEntries().forEach((each) => { seen.blocked += each.duration; }))
    .observe({ type: "longtask" });
}"""
_INTERACTIVE = "() => document.querySelector('#live').textContent !== '' && window.htmx && performance.now()"
ABOUT = (
    "`zcloud serve --role api` over SQLite with a list of 50 open in Chromium, on the same two cores, while "
    f"{changes.RATE} instances a second change their state for {_SECONDS:.0f} s ({changes.BATCH} in each commit; "
    "ZCLOUD_BENCH_LIVE_S=600 is the ten minutes of a soak). A frame's delay is the time between two frames of the "
    "page; memory is the page's JavaScript heap after a collection. Interactive is when modules run and the stream of "
    "changes has told its state."
)


def measure(rounds: int) -> Part:
    """Measure both sizes, then streams of people who only look on."""
    seconds = scaled(rounds, int(_SECONDS), 2)
    found = dict[str, dict[str, list[float]]]()
    with served(over_fakes("--role", "api"), fill=lambda config: fill(config, 1)) as server:
        for size in SIZES:
            fill(server.config, size)
            store = open_store(server.config, SystemClock())
            with _console(server) as page:
                for name, value in _watched(server, store, page, seconds).items():
                    found.setdefault(name, {})[f"{size:,} instances"] = value
            store.close()
        idle = asyncio.run(_idle(server, seconds))
    return Part("live", "A console left open", ABOUT, _figures(found, idle))


@contextmanager
def _console(server: Served) -> Iterator[Page]:
    token = json.loads((server.place / ".config/zcloud/cli.json").read_text())["token"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_ALONE))
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "zcloud-session", "value": token, "url": server.url}])
        page = context.new_page()
        page.goto(f"{server.url}/instances")
        yield page
        browser.close()


def _watched(server: Served, store: Store, page: Page, seconds: int) -> dict[str, list[float]]:
    interactive = float(page.wait_for_function(_INTERACTIVE).json_value())
    heap = _heap(page)
    page.evaluate(_WATCH)
    names = page.locator("#list tbody tr a").all_inner_texts()
    before = server.cpu
    told = _change(server, page, seconds)
    took, used = told["took"], server.cpu - before
    seen: dict[str, Any] = page.evaluate("() => window.seen")
    missed, late = _until_true(store, page, names)
    return {
        "interactive": [interactive],
        "gaps": [float(each) for each in seen["gaps"]],
        "blocked": [float(seen["blocked"]) / took / 10],
        "cpu": [used / took * 100],
        "rate": [told["made"] / took],
        "missed": [float(missed)],
        "late": [late],
        "heap": [heap, _heap(page)],
    }


def _change(server: Served, page: Page, seconds: int) -> dict[str, float]:
    """Have the server change states, the first page's among them; gives how many it ``made`` in how long."""
    file = server.place / changes.FILE
    file.write_text(json.dumps({"seconds": seconds}))
    os.kill(server.pid, signal.SIGUSR1)
    while "made" not in (told := json.loads(file.read_text() or "{}")):
        page.wait_for_timeout(50)
    return dict(told)


def _until_true(store: Store, page: Page, names: list[str]) -> tuple[int, float]:
    """Wait until the page says what the store has; gives how many rows never did, and seconds since the last change."""
    with store.read() as tx:
        wanted = {each.name: each.status.value for each in tx.instances.all()}
    begun = time.monotonic()
    while True:
        cells = page.locator("#list tbody tr").all_inner_texts()
        wrong = sum(wanted[name] not in cell.lower() for name, cell in zip(names, cells, strict=True))
        if not wrong or time.monotonic() - begun > _SETTLE_S:
            return wrong, time.monotonic() - begun
        page.wait_for_timeout(50)


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in _metrics(session)}
    return float(metrics["JSHeapUsedSize"]) / (1 << 20)


def _metrics(session: Any) -> list[dict[str, Any]]:
    session.send("Performance.enable")
    found: list[dict[str, Any]] = session.send("Performance.getMetrics")["metrics"]
    return found


async def _idle(server: Served, seconds: int) -> list[float]:
    """Open streams and leave them; give the server's CPU meanwhile, in percent of a core."""
    token = json.loads((server.place / ".config/zcloud/cli.json").read_text())["token"]
    context, port = ssl.create_default_context(cafile=server.authority), server.config.server.port
    asked = f"GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: zcloud-session={token}\r\n\r\n".encode()
    opened = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for _ in range(_STREAMS)]
    for reader, writer in opened:
        writer.write(asked)
        await reader.readuntil(b"retry: 2000")
    await asyncio.sleep(2)
    before = server.cpu
    await asyncio.sleep(seconds)
    used = (server.cpu - before) / seconds * 100
    for _, writer in opened:
        writer.close()
    return [used]


def _figures(found: dict[str, dict[str, list[float]]], idle: list[float]) -> list[Figure]:
    missed = sum(each[0] for each in found["missed"].values())
    none = at_most("none is missed", missed, 0)
    return [
        Figure("live.interactive", "From asking for the list to a page that works", "ms", found["interactive"]),
        Figure("live.frames", f"Time between frames while {changes.RATE} a second change", "ms", found["gaps"]),
        Figure("live.blocked", "Time in tasks of more than 50 ms in the page", "%", found["blocked"]),
        Figure("live.rate", "Changes a second that were made", "", found["rate"]),
        Figure("live.cpu", "CPU of the server meanwhile, of a core; it makes the changes, too", "%", found["cpu"]),
        Figure("live.late", "From the last change to a page that is true", "s", found["late"]),
        Figure("live.missed", "Rows that never became true", "", found["missed"], [none]),
        Figure("live.heap", "Memory of the page, before and after", "MiB", found["heap"]),
        Figure("live.idle", f"CPU of the server for {_STREAMS} streams that nothing happens on, of a core", "%",
               {"zcloud serve": idle}, [at_most("at most 10 % of a core", idle[0], 10)]),
    ]  # fmt: skip
