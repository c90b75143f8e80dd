"""Keys by their names, and what is pressed to type a text, as Linux key codes (linux/input-event-codes.h).

Texts are typed as on a US keyboard: which characters a guest sees is a matter of the layout that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zcloud.domain.errors import InvalidInput

MAX_TEXT, MAX_STROKES, MAX_AT_ONCE = 1000, 100, 8

_SHIFT = 42
_ROWS = (  # the first key's code, the row's characters, and the same with shift
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
)
_CHARACTERS: Mapping[str, tuple[int, ...]] = {
    " ": (57,),
    "\n": (28,),
    "\t": (15,),
    **{character: (first + at,) for first, row, _ in _ROWS for at, character in enumerate(row)},
    **{character: (_SHIFT, first + at) for first, _, row in _ROWS for at, character in enumerate(row)},
}
KEYS: Mapping[str, int] = {
    "esc": 1, "backspace": 14, "tab": 15, "enter": 28, "ctrl": 29, "shift": _SHIFT, "alt": 56, "space": 57,
    "capslock": 58, **{f"f{number}": 58 + number for number in range(1, 11)}, "numlock": 69, "scrolllock": 70,
    "f11": 87, "f12": 88, "sysrq": 99, "altgr": 100, "home": 102, "up": 103, "pageup": 104, "left": 105,
    "right": 106, "end": 107, "down": 108, "pagedown": 109, "insert": 110, "del": 111, "pause": 119, "super": 125,
    "menu": 127,
    **{name: code[0] for name, code in _CHARACTERS.items() if len(code) == 1 and name.isalnum()},
}  # fmt: skip
_SAME = {"control": "ctrl", "delete": "del", "escape": "esc", "return": "enter", "win": "super", "print": "sysrq"}


def parse_strokes(words: Iterable[str]) -> list[tuple[int, ...]]:
    """Read strokes such as ``ctrl-alt-del`` and ``f2``; raises InvalidInput naming the key that is not known."""
    strokes = [tuple(map(_code, word.lower().split("-"))) for word in words]
    if not strokes or len(strokes) > MAX_STROKES or any(len(each) > MAX_AT_ONCE for each in strokes):
        raise InvalidInput(f"Give 1 to {MAX_STROKES} strokes of at most {MAX_AT_ONCE} keys each.", field="keys")
    return strokes


def type_text(text: str) -> list[tuple[int, ...]]:
    """Give the strokes of a text; raises InvalidInput for a character that a US keyboard does not have."""
    if not 1 <= len(text) <= MAX_TEXT:
        raise InvalidInput(f"A text to type has 1 to {MAX_TEXT} characters.", field="text")
    for character in text:
        if character not in _CHARACTERS:
            raise InvalidInput(f"The character {character!r} is not on a US keyboard.", field="text")
    return [_CHARACTERS[character] for character in text]


def _code(name: str) -> int:
    code = KEYS.get(_SAME.get(name, name))
    if code is None:
        known = ", ".join(sorted(key for key in KEYS if len(key) > 1))
        raise InvalidInput(f"There is no key {name[:20]!r}.", hint=f"Known are letters, digits, {known}.", field="keys")
    return code
