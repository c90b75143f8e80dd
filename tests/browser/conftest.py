"""Chromium, without a window, at the console of a cloud of fakes. What a page must never do ends every test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright
from tests import builders
from tests.api.conftest import Cloud, fill, make_parts
from tests.api.serving import serve
from tests.conftest import NewUrl, open_store

from zcloud.api.app import create_app, end_streams
from zcloud.domain.instance import InstanceStatus
from zcloud.store import Tx
from zcloud.web.app import PAGES
from zcloud.web.render import COOKIE

_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync")  # fmt: skip
_STATES = (*[InstanceStatus.RUNNING] * 6, InstanceStatus.STOPPED, InstanceStatus.PAUSED, InstanceStatus.ERROR)
_TOLD = {"code": "no_room", "message": "The pool local is full.", "left": "", "hint": "Free room.", "details": {}}


@dataclass(slots=True)
class Site:
    """A console that is served: its address, and the cloud behind it."""

    url: str
    cloud: Cloud


@dataclass(slots=True)
class Tab:
    """A page of a person who is signed in, and what went wrong on it."""

    page: Page
    site: Site
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the console and wait until it is live."""
        self.page.goto(self.site.url + path)
        return self.page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give a Chromium of the distribution."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield found
        found.close()


@pytest.fixture(scope="module")
def sites(new_sqlite: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Site]]:
    """Give what serves a cloud with so many more instances; each is made once."""
    made, closing = dict[int, Site](), list[Callable[[], object]]()

    def site(count: int) -> Site:
        if count not in made:
            store = open_store(new_sqlite())
            fields = fill(store)
            store.transact(lambda tx: _populate(tx, fields, count))
            directory: Path = tmp_path_factory.mktemp("uploads")
            parts = make_parts(store, directory)
            app = create_app(parts, PAGES)
            served = serve(app)
            url = served.__enter__()
            closing.extend([lambda: end_streams(app), lambda: served.__exit__(None, None, None), store.close])
            cloud = Cloud(store=store, app=app, client=None, parts=parts, upload_dir=directory, **fields)  # type: ignore[arg-type]
            made[count] = Site(url, cloud)
        return made[count]

    yield site
    for close in closing:
        close()


@pytest.fixture
def tab(browser: Browser, sites: Callable[[int], Site]) -> Iterator[Callable[..., Tab]]:
    """Give what signs a person in; at the end no page may have complained or asked another server."""
    opened = list[tuple[BrowserContext, Tab]]()

    def sign_in(user: str = "admin", count: int = 60, **options: object) -> Tab:
        site = sites(count)
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})  # type: ignore[arg-type]
        if user:
            context.add_cookies([{"name": COOKIE, "value": site.cloud.tokens[user], "url": site.url}])
        made = Tab(context.new_page(), site)
        _listen(made)
        opened.append((context, made))
        return made

    yield sign_in
    for context, made in opened:
        context.close()
        assert made.troubles == []


def _listen(tab: Tab) -> None:
    page, own = tab.page, urlsplit(tab.site.url).netloc
    page.set_default_timeout(15_000)

    def on_console(told: ConsoleMessage) -> None:
        if told.type == "error":
            tab.troubles.append(f"{page.url}: {told.text}")

    def on_request(asked: Request) -> None:
        if _is_elsewhere(asked.url, own):
            tab.troubles.append(f"{page.url} asked {asked.url}")

    page.on("pageerror", lambda error: tab.troubles.append(f"{page.url}: {error}"))
    page.on("console", on_console)
    page.on("request", on_request)


def _is_elsewhere(url: str, own: str) -> bool:
    return urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != own


def _populate(tx: Tx, fields: dict[str, Any], count: int) -> None:
    home, host, image = (fields[name].id for name in ("home", "host", "image"))
    for number in range(count):
        status = _STATES[number % len(_STATES)]
        error = _TOLD if status is InstanceStatus.ERROR else None
        tags = ("prod", "команда-сети", "研发")[: number % 4]
        tx.instances.add(
            builders.instance(
                home, host, image, name=f"n-{number:05}", status=status, incarnation=1, error=error, tags=tags
            )
        )
