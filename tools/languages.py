"""Brings the catalogues of the web console up to date with its texts, and compiles them.

``tools/languages.py`` adds new texts to src/zcloud/web/catalogues/*.po, drops those that are gone, and writes the .mo
files, which are committed as built. ``--check`` only names what is not translated.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.texts import Text, from_code, from_templates  # noqa: E402 - needs the path

from zcloud.web.languages import CATALOGUES, LANGUAGES, SOURCE  # noqa: E402

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def everything() -> set[Text]:
    """Give all texts of the console."""
    return {*from_templates(), *from_code()}


def wanted() -> Catalog:
    """Give a catalogue of all texts, none of them translated."""
    catalogue, plurals = Catalog(charset="utf-8"), {text[0] for text in everything() if isinstance(text, tuple)}
    for text in sorted(everything(), key=str):
        if text not in plurals:
            catalogue.add(text)
    return catalogue


def read(language: str) -> Catalog:
    """Give a language's catalogue as it is."""
    path = _path(language)
    if not path.exists():
        return _empty(language)
    with path.open("rb") as file:
        return read_po(file, locale=language.replace("-", "_"))


def compiled(catalogue: Catalog) -> bytes:
    """Give what the standard library reads."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def lacking(catalogue: Catalog, texts: Collection[Text]) -> Iterator[str]:
    """Give the texts that have no translation in a catalogue."""
    for text in sorted(texts, key=str):
        found = catalogue.get(text if isinstance(text, str) else text[0])
        said = found.string if found else ""
        if not found or not said or found.fuzzy or (isinstance(said, tuple) and not all(said)):
            yield str(text)


def update(language: str) -> None:
    """Write a language's catalogue anew: what is wanted, with the translations that there are."""
    known, catalogue = read(language), _empty(language)
    for each in wanted():
        before = known.get(each.id) if each.id else None
        if each.id:
            catalogue.add(tuple(each.id) if each.pluralizable else each.id, _fitting(before, each))
    with _path(language).open("wb") as file:
        write_po(file, catalogue, width=120, sort_output=True, no_location=True)
    _path(language).with_suffix(".mo").write_bytes(compiled(catalogue))


def _fitting(before: Message | None, wanted: Message) -> str | tuple[str, ...] | list[str] | None:
    """Give the translation of before, where it still is of the same kind."""
    return before.string if before and before.pluralizable == wanted.pluralizable else None


def _empty(language: str) -> Catalog:
    """Give a catalogue without texts; its header has no times, so that only texts make a difference."""
    about = f"Texts of the zcloud web console in {LANGUAGES[language]}; see tools/languages.py."
    return Catalog(
        locale=language.replace("-", "_"), project="zcloud", version="0", header_comment=f"# {about}",
        creation_date=_BEGAN, revision_date=_BEGAN, last_translator="zcloud", language_team="zcloud",
        msgid_bugs_address="zcloud", fuzzy=False,
    )  # fmt: skip


def _path(language: str) -> Path:
    return CATALOGUES / f"{language.replace('-', '_')}.po"


def main() -> int:
    """Update or check every language; gives 1 where something is not translated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check, missing = parser.parse_args().check, 0
    for language in LANGUAGES.keys() - {SOURCE}:
        if not check:
            update(language)
        for text in lacking(read(language), everything()):
            print(f"{language}: {text}")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
