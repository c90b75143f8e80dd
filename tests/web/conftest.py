"""A browser without a browser: the pages over the API tests' cloud, signed in by cookie."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import Cloud, fill, make_parts
from tests.conftest import NewUrl, open_store

from zcloud.api.app import create_app
from zcloud.store import Store
from zcloud.web.app import PAGES
from zcloud.web.render import COOKIE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx that is not packaged
    from starlette.testclient import TestClient

HOST = "http://testserver"


@dataclass(slots=True)
class Web:
    """The console of a cloud, as one person after another sees it."""

    cloud: Cloud

    def ask(self, method: str, path: str, user: str = "", **options: Any) -> Any:
        """Send a request as a browser does; ``user`` is signed in, nobody where it is empty."""
        headers = {
            "Accept": "text/html",
            **({"Origin": HOST} if method == "POST" else {}),
            **options.pop("headers", {}),
        }
        if user:
            headers["Cookie"] = f"{COOKIE}={self.cloud.tokens[user]}"
        return self.cloud.client.request(method, path, headers=headers, follow_redirects=False, **options)

    def get(self, path: str, user: str = "admin", **options: Any) -> Any:
        """Look at a page."""
        return self.ask("GET", path, user, **options)

    def post(self, path: str, user: str = "admin", **options: Any) -> Any:
        """Send a form from a page of ours."""
        return self.ask("POST", path, user, **options)


@pytest.fixture
def web(sqlite_store: Store, tmp_path: Path) -> Iterator[Web]:
    """Give the console of a cloud of one host, two projects and a user per role."""
    with _open(sqlite_store, tmp_path) as client:
        yield client


@pytest.fixture(scope="module")
def still(new_sqlite: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Give the same for a whole module whose tests change nothing in it."""
    store = open_store(new_sqlite())
    with _open(store, tmp_path_factory.mktemp("uploads")) as client:
        yield client
    store.close()


@contextmanager
def _open(store: Store, directory: Path) -> Iterator[Web]:
    fields, parts = fill(store), make_parts(store, directory)
    app = create_app(parts, PAGES)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Web(Cloud(store=store, app=app, client=client, parts=parts, upload_dir=directory, **fields))
