"""The catalogues of the web console are whole, and are what the console reads."""

from __future__ import annotations

import re

import pytest
from tools import languages
from tools.texts import from_templates

from zcloud.web.languages import CATALOGUES, LANGUAGES, SOURCE

OTHERS = sorted(LANGUAGES.keys() - {SOURCE})
# What a page that has settled says is there in every language; others may be in English for a while.
SETTLED = ("account", "acted", "confirm", "language", "signin", "trouble", "trouble_part")
MOST_IN_ENGLISH = 80  # of the others: a new page need not wait for two translations, but they do not pile up
PLACE = re.compile(r"%\(\w+\)[sd]")


@pytest.mark.parametrize("language", OTHERS)
def test_what_has_settled_is_translated(language: str) -> None:
    texts = from_templates(*(f"{name}.html" for name in SETTLED))
    assert list(languages.lacking(languages.read(language), texts)) == [], "fill it in, then run tools/languages.py"


@pytest.mark.parametrize("language", OTHERS)
def test_not_much_is_in_english_only(language: str) -> None:
    lacking = list(languages.lacking(languages.read(language), languages.everything()))
    assert len(lacking) <= MOST_IN_ENGLISH, f"translate some of {lacking}, then run tools/languages.py"


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_is_compiled_and_keeps_the_values_in_place(language: str) -> None:
    catalogue = languages.read(language)
    built = (CATALOGUES / f"{language.replace('-', '_')}.mo").read_bytes()
    assert built == languages.compiled(catalogue), "run tools/languages.py"
    assert [error for _, error in catalogue.check()] == []
    for each in catalogue:
        for said in each.string if isinstance(each.string, tuple) else (each.string,):
            wanted = each.id[0] if isinstance(each.id, tuple) else each.id
            if each.id and said:
                assert sorted(PLACE.findall(str(said))) == sorted(PLACE.findall(str(wanted))), wanted
