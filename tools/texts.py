"""Which texts the pages of the web console have to say: what the catalogues of other languages translate."""

from __future__ import annotations

from pathlib import Path

from zcloud.web import render
from zcloud.web.languages import SOURCE
from zcloud.web.words import GLYPHS, NAVIGATION, SAID
from zcloud.workflows.registry import WORKFLOWS

TEMPLATES = Path(render.__file__).with_name("templates")
Text = str | tuple[str, str]  # a text, or its singular and plural


def from_templates(*names: str) -> set[Text]:
    """Give the texts of the templates of these names, or of all."""
    found, jinja = set[Text](), render.environment(SOURCE)
    for name in names or jinja.list_templates():
        for _, function, text in jinja.extract_translations((TEMPLATES / name).read_text()):  # type: ignore[attr-defined]
            said = [each for each in (text if isinstance(text, tuple) else (text,)) if each]
            if function == "ngettext":
                found.add((said[0], said[1]))
            elif said:  # nothing: a value, of which ``from_code`` knows
                found.add(said[0])
    return found


def from_code() -> set[str]:
    """Give the texts that reach templates as values: states, the navigation, steps, and what else is named."""
    said = {*SAID, *(render.word(each) for each in GLYPHS)}
    said |= {text for entry in NAVIGATION for text in (entry.text, entry.section) if text}
    return said | {step.title for workflow in WORKFLOWS.values() for step in workflow.steps}
