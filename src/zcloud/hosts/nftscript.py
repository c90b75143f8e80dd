"""What an nft script given to ``nft -f -`` may hold: commands on our own tables, nothing else.

They are ``bridge zcloud`` (what guests may send) and ``inet zcloud`` (what of it may reach the host's own stack).

nft(8) scripts can include files and change any table of the host; both are refused before nft sees the script.
"""

from __future__ import annotations

import re

from zcloud.domain.errors import CommandForbidden

TABLES = ("bridge zcloud", "inet zcloud")

_STRING = re.compile(r'"[A-Za-z0-9_. :,/*-]*"')
_COMMENT = re.compile(r"#[^\n]*")
_FORBIDDEN = re.compile(r'["\'\\$]|\b(include|define|redefine|undefine|import|export|monitor)\b')
_COMMAND = re.compile(
    r"((add|create|insert|replace|delete|destroy|flush|reset|list) )?(table|chain|set|map|element|rule) "
    rf"({'|'.join(TABLES)})(?![\w-])"
)


def check_script(script: bytes) -> None:
    """Check that every command of an nft script is about our own table; raises CommandForbidden."""
    try:
        text = script.decode("ascii")
    except UnicodeDecodeError as error:
        raise CommandForbidden("The nft script is not plain ASCII.", program="nft") from error
    text = _COMMENT.sub("", _STRING.sub("string", text))
    if _FORBIDDEN.search(text):
        raise CommandForbidden("The nft script includes a file or defines variables.", program="nft")
    for command in _commands(text):
        if _COMMAND.match(" ".join(command.split())) is None:
            raise CommandForbidden(f"nft: {command[:80]!r} is not about {' or '.join(TABLES)}.", program="nft")


def _commands(text: str) -> list[str]:
    """Split a script at newlines and semicolons that are outside braces."""
    commands, current, depth = [], "", 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            raise CommandForbidden("The nft script's braces do not match.", program="nft")
        if depth == 0 and character in ";\n":
            commands.append(current)
            current = ""
        else:
            current += character
    if depth:
        raise CommandForbidden("The nft script's braces do not match.", program="nft")
    return [command for command in [*commands, current] if command.strip()]
