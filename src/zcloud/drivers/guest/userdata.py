"""The owner's user data: recognised, checked, and cut into the parts that cloud-init merges.

The forms are those of https://cloudinit.readthedocs.io/en/latest/explanation/format.html. Parts of type
text/cloud-config get a ``Merge-Type`` header, so that lists (users, keys, packages, runcmd) are appended to
zcloud's own and zcloud's scalars stay. An owner's explicit ``merge_how`` still rules over that, as cloud-init
documents it.
"""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zcloud.domain.errors import InvalidCloudInit

MAX_USER_DATA = 64 * 1024
MERGE_TYPE = "dict(no_replace,recurse_list)+list(append)+str()"
CLOUD_CONFIG = "text/cloud-config"

# First line -> type, longest first where one begins another.
_STARTS = (
    ("## template: jinja", "text/jinja2"),
    ("#cloud-config-archive", ""),
    ("#cloud-config-jsonp", ""),
    ("#cloud-config", CLOUD_CONFIG),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("#!", "text/x-shellscript"),
)
_TYPES = frozenset(kind for _, kind in _STARTS if kind) | {
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
}
_UNTYPED = frozenset({"text/plain", "application/octet-stream"})  # cloud-init looks at the first line then
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_PARTS = 32

_MAP, _LIST, _TEXT, _BOOL = "a mapping", "a list", "a text", "true or false"
# What zcloud's part also sets, or what cloud-init would stumble over; other keys are the owner's business.
_KEYS: dict[str, tuple[str, ...]] = {
    "users": (_LIST,),
    "ssh_authorized_keys": (_LIST,),
    "chpasswd": (_MAP,),
    "apt": (_MAP,),
    "ntp": (_MAP,),
    "write_files": (_LIST,),
    "hostname": (_TEXT,),
    "fqdn": (_TEXT,),
    "password": (_TEXT,),
    "locale": (_TEXT, _BOOL),
    "timezone": (_TEXT,),
    "final_message": (_TEXT,),
    "ssh_pwauth": (_BOOL, _TEXT),
    "manage_etc_hosts": (_BOOL, _TEXT),
    "preserve_hostname": (_BOOL,),
    "bootcmd": (_LIST,),
    "runcmd": (_LIST,),
    "packages": (_LIST,),
    "mounts": (_LIST,),
    "fs_setup": (_LIST,),
    "disk_setup": (_MAP,),
    "package_update": (_BOOL,),
    "package_upgrade": (_BOOL,),
    "growpart": (_MAP,),
    "power_state": (_MAP,),
    "merge_how": (_TEXT, _LIST),
    "merge_type": (_TEXT, _LIST),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the user data: its MIME type, text, and the file name that cloud-init gives it."""

    kind: str
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class OwnerData:
    """The owner's parts, the top-level keys that their cloud-config sets, and their final message."""

    parts: tuple[Part, ...] = ()
    keys: frozenset[str] = frozenset()
    final_message: str = ""


def parse_user_data(text: str) -> OwnerData:
    """Check user data (at most 64 KiB of UTF-8 text) and give its parts; raises InvalidCloudInit."""
    if not text.strip():
        return OwnerData()
    if len(text.encode("utf-8", "surrogatepass")) > MAX_USER_DATA:
        raise InvalidCloudInit(
            f"The user data is larger than {MAX_USER_DATA // 1024} KiB.",
            hint="Fetch the large things from inside the guest, or use `#include` with a URL.",
            field="user_data",
        )
    _check_text(text)
    text = text.replace("\r\n", "\n")
    parts = _split_mime(text) if _is_mime(text) else [_plain(text, "user data", "owner")]
    checked = [(part, _config_keys(part) if part.kind == CLOUD_CONFIG else None) for part in parts]
    configs = [keys for _, keys in checked if keys]
    messages = [keys["final_message"].value for keys in configs if "final_message" in keys]
    return OwnerData(
        parts=tuple(part for part, keys in checked if keys != {}),
        keys=frozenset(key for keys in configs for key in keys),
        final_message=messages[0] if messages else "",
    )


def _check_text(text: str) -> None:
    if text.startswith(("\x1f", "H4sI")):
        raise InvalidCloudInit("The user data is compressed.", hint="Give it as plain text.", field="user_data")
    for number, line in enumerate(text.split("\n"), 1):
        bad = next((char for char in line if _is_control(char)), "")
        if bad:
            raise InvalidCloudInit(
                f"Line {number} of the user data has the character U+{ord(bad):04X}, which no text has.",
                field="user_data",
                line=number,
            )


def _is_control(char: str) -> bool:
    code = ord(char)
    return (code < 32 and char not in "\t\r\x1b") or code == 127 or 0xD800 <= code <= 0xDFFF


def _is_mime(text: str) -> bool:
    return text[:13].lower() in {"content-type:", "mime-version:"}


def _plain(text: str, label: str, name: str) -> Part:
    for start, kind in _STARTS:
        if text.lower().startswith(start):
            if not kind:
                raise InvalidCloudInit(
                    f"The {label} begins with {start!r}, which could drop what zcloud sets.",
                    hint="Use #cloud-config, or a multi-part MIME message for several parts.",
                    field="user_data",
                )
            return Part(kind, text, name)
    raise InvalidCloudInit(
        f"The {label} begins with {text.splitlines()[0][:40]!r}, which cloud-init does not know.",
        hint="Begin it with `#cloud-config` or `#!/bin/sh` in the very first column.",
        field="user_data",
        line=1,
    )


def _split_mime(text: str) -> list[Part]:
    message = email.message_from_string(text)
    leaves = [leaf for leaf in message.walk() if leaf.get_content_maintype() != "multipart"]
    broken = [defect for leaf in message.walk() for defect in leaf.defects]
    if broken or not message.is_multipart() or not 0 < len(leaves) <= _MAX_PARTS:
        why = type(broken[0]).__name__ if broken else f"it has {len(leaves)} parts of at most {_MAX_PARTS}"
        raise InvalidCloudInit(
            f"The multi-part user data cannot be taken apart: {why}.",
            hint="Make it with `cloud-init devel make-mime`.",
            field="user_data",
        )
    return [_mime_part(leaf, number) for number, leaf in enumerate(leaves, 1)]


def _mime_part(leaf: Message, number: int) -> Part:
    label = f"part {number} of the user data"
    payload = leaf.get_payload(decode=True)
    try:
        text = payload.decode("utf-8").replace("\r\n", "\n") if isinstance(payload, bytes) else ""
    except UnicodeDecodeError as error:
        raise InvalidCloudInit(f"The {label} is not UTF-8 text.", field="user_data") from error
    _check_text(text)
    name = leaf.get_filename() or ""
    name = name if _FILE_NAME.fullmatch(name) else f"owner-{number:03d}"
    kind = leaf.get_content_type()
    if kind in _UNTYPED:
        return _plain(text, label, name)
    if kind not in _TYPES:
        raise InvalidCloudInit(f"The {label} has the type {kind[:60]!r}, which is not taken.", field="user_data")
    return Part(kind, text, name)


def _config_keys(part: Part) -> dict[str, Node]:
    """Give the top-level keys of a cloud-config with their nodes, types checked; nothing is constructed."""
    root = _compose(part)
    if root is None:
        return {}
    if not isinstance(root, MappingNode):
        raise _at(root, part, "a cloud-config is a mapping of keys at its top")
    keys: dict[str, Node] = {}
    for key, value in root.value:
        if not isinstance(key, ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            raise _at(key, part, "a key at the top is not a text")
        if key.value in keys:
            raise _at(key, part, f"the key {key.value[:60]!r} is there twice")
        wanted = _KEYS.get(key.value, ())
        if wanted and not any(_IS[each](value) for each in wanted):
            raise _at(value, part, f"{key.value} has to be {' or '.join(wanted)}")
        keys[key.value] = value
    return keys


def _compose(part: Part) -> Node | None:
    try:
        return _Loader(part.text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 0
        raise _broken(part, line, error.problem or "not YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise _broken(part, 0, "not YAML") from error
    except RecursionError as error:
        raise _broken(part, 0, "it is nested too deeply") from error


class _Loader(yaml.SafeLoader):
    """Composes nodes with their lines; refuses aliases (bombs) and tags that run code."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            problem = "aliases (*name) are not taken; write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        if node is not None and not node.tag.startswith("tag:yaml.org,2002:"):
            raise _unsafe_tag(node)
        if node is not None and node.tag.startswith("tag:yaml.org,2002:python/"):
            raise _unsafe_tag(node)
        return node


def _unsafe_tag(node: Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"the tag {node.tag[:60]!r} is not taken", problem_mark=node.start_mark)


def _is_text(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:str"


def _is_bool(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:bool"


_IS: dict[str, Callable[[Node], bool]] = {
    _MAP: lambda node: isinstance(node, MappingNode),
    _LIST: lambda node: isinstance(node, SequenceNode),
    _TEXT: _is_text,
    _BOOL: _is_bool,
}


def _at(node: Node, part: Part, problem: str) -> InvalidCloudInit:
    return _broken(part, node.start_mark.line + 1, problem)


def _broken(part: Part, line: int, problem: str) -> InvalidCloudInit:
    where = f"Line {line} of" if line else "In"
    return InvalidCloudInit(
        f"{where} the user data ({part.name}): {problem}.",
        hint="Check it with `cloud-init schema --config-file FILE`.",
        field="user_data",
        line=line,
    )
