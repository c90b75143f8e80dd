"""Each person reads the console in their language, and no page says what a catalogue could not translate."""

from __future__ import annotations

import gettext
import re
from html.parser import HTMLParser

import pytest
from jinja2 import nodes
from tests.web.conftest import Web
from tests.web.test_pages import TEMPLATES, paths
from tools.texts import from_code, from_templates

from zcloud.web import languages
from zcloud.web.render import environment

SPOKEN = ("aria-label", "placeholder", "title", "alt", "data-label")
NO_TEXT = re.compile(
    r"zcloud|Python|SHA-256|ssh-ed25519 AAAA|UTC|vCPU|Ctrl\+Alt\+Del|Enter|Ctrl|Esc|\b[JKXs/]\b|&\w+;"
)  # names, units and keys

ATTRIBUTE = re.compile(r'[\w-]+="[^"]*"?|\bautofocus$')  # of a block or a caller that stands within a tag


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("", "", "en"),
        ("fr, de;q=0.5", "", "en"),
        ("fr, zh-TW;q=0.3, ru;q=0.8", "", "ru"),
        ("zh-Hans-CN", "", "zh-CN"),
        ("ru", "zh-CN", "zh-CN"),
        ("ru", "tlh", "ru"),
        ("ru;q=x,,;q=,zh;q=0.1", "", "zh-CN"),
    ],
)
def test_a_language_is_chosen_by_cookie_or_else_by_the_browser(
    still: Web, accepted: str, cookie: str, language: str
) -> None:
    headers = {"Accept-Language": accepted, **({"Cookie": f"{languages.COOKIE}={cookie}"} if cookie else {})}
    answer = still.get("/signin", user="", headers=headers)
    assert f'<html lang="{language}"' in answer.text
    assert "Accept-Language" in answer.headers["vary"]


def test_a_person_chooses_a_language_before_signing_in(still: Web) -> None:
    answer = still.post("/language", user="", data={"language": "ru", "next": "/signin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    assert "zcloud-language=ru" in answer.headers["set-cookie"]


def test_a_page_is_in_the_language_of_who_reads_it(still: Web) -> None:
    page = still.get("/instances", headers={"Accept-Language": "ru"}).text
    assert "Инстансы" in page
    assert "Работает" in page
    assert "实例" in still.get("/instances", headers={"Accept-Language": "zh"}).text


def test_counts_follow_the_rules_of_their_language() -> None:
    said = languages.translations("ru").ngettext
    told = [said("%(num)d instance", "%(num)d instances", count) % {"num": count} for count in (1, 2, 5, 11, 21)]
    assert told == ["1 инстанс", "2 инстанса", "5 инстансов", "11 инстансов", "21 инстанс"]


class _Said(HTMLParser):
    """Collects what people read of a piece of HTML: its text, and the attributes that are spoken or shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in SPOKEN and value]


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_a_template_holds_no_text_that_is_not_translated(name: str) -> None:
    tree = environment(languages.SOURCE).parse((TEMPLATES / name).read_text())
    reader = _Said()
    for output in tree.find_all(nodes.Output):
        for each in output.nodes:
            reader.feed(each.data if isinstance(each, nodes.TemplateData) else "\N{MIDDLE DOT}")
    said = [text.strip() for text in reader.found if re.search("[A-Za-z]", NO_TEXT.sub("", ATTRIBUTE.sub("", text)))]
    assert said == [], "put it into _()"


class _Noting(gettext.NullTranslations):
    """English, and a list of what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = set[str]()

    def gettext(self, message: str) -> str:
        self.asked.add(message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        self.asked.add(msgid1)
        return super().ngettext(msgid1, msgid2, n)


def test_what_pages_say_is_known_to_the_catalogues(still: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that comes from code has its line in ``web/words.SAID``."""
    noting = _Noting()
    monkeypatch.setitem(languages.LANGUAGES, "noting", "Noting")
    monkeypatch.setattr("zcloud.web.render.translations", lambda _: noting)
    for path in paths(still):
        still.get(path, headers={"Cookie": f"{languages.COOKIE}=noting"})
    known = {text if isinstance(text, str) else text[0] for text in from_templates() | from_code()}
    assert noting.asked - known == set()
