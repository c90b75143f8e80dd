"""A browser without a browser: the pages over the API tests' cloud, signed in by cookie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import Cloud, open_cloud
from tests.conftest import NewUrl

from zcloud.web.app import PAGES
from zcloud.web.render import COOKIE

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
def web(new_sqlite: NewUrl, tmp_path: Path) -> Iterator[Web]:
    """Give the console of a cloud of one host, two projects and a user per role."""
    with open_cloud(new_sqlite, tmp_path, PAGES) as cloud:
        yield Web(cloud)


@pytest.fixture(scope="module")
def still(new_sqlite: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Give the same for a whole module whose tests change nothing in it."""
    with open_cloud(new_sqlite, tmp_path_factory.mktemp("uploads"), PAGES) as cloud:
        yield Web(cloud)
