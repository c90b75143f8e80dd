"""A language with longer words than English still fits, on a phone, too."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable

import pytest
from tests.browser.conftest import Tab

from zcloud.web import languages
from zcloud.web.words import NAVIGATION

CUT = """[...document.querySelectorAll('button, h1, h2, th, label, .pf-v6-c-tabs__link, .pf-v6-c-nav__link')]
  .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
  .map((each) => each.textContent.trim())"""


class _Pseudo(gettext.NullTranslations):
    """English in brackets, with accents, and two fifths longer."""

    def gettext(self, message: str) -> str:
        more = re.sub(r"%\(\w+\)[sd]", "", message)[: len(message) * 2 // 5]
        return f"[{message}{more.lower().translate(str.maketrans('aeiouc ', 'àéîöüç·'))}]"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.mark.parametrize("width", [390, 1440])
def test_longer_words_fit(tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setitem(languages.LANGUAGES, "qps", "Pseudo")
    monkeypatch.setattr("zcloud.web.render.translations", lambda _: _Pseudo())
    it = tab(viewport={"width": width, "height": 844})
    it.page.context.add_cookies([{"name": languages.COOKIE, "value": "qps", "url": it.site.url}])
    id, operation = it.site.cloud.running.id, it.site.cloud.operation.id
    more = [f"/instances/{id}", f"/operations/{operation}", "/instances?q=nothing-fits",
            "/launch?source=install", "/media/new", "/schedules/new",
            "/projects/default", "/users/new", "/users/member"]  # fmt: skip
    found = list[str]()
    for path in [*(entry.path for entry in NAVIGATION), *more]:
        page = it.open(path)
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{path} is {wide} px wide")
        found += [f"{path} cuts {text}" for text in page.evaluate(CUT)]
    assert found == []
