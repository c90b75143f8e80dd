"""Reads the checksum files that distributions publish beside their images (pure).

Three forms are in use, one line per file: ``<hash>  name`` and ``<hash> *name`` (coreutils), and
``SHA256 (name) = <hash>`` (BSD). Some files hold nothing but one hash. Lines of other kinds, such as
comments and PGP armour, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from zcloud.domain.errors import DownloadFailed

DIGITS = {"sha256": 64, "sha512": 128}

_COREUTILS = re.compile(r"(?P<hash>[0-9a-fA-F]+)(?: [ *](?P<name>\S.*))?")
_BSD = re.compile(r"(?P<algorithm>[A-Z0-9-]+) \((?P<name>.+)\) = (?P<hash>[0-9a-fA-F]+)")


def parse_checksums(text: str, algorithm: str) -> dict[str, str]:
    """Give file name -> lower-case hash of ``algorithm`` (``sha256`` or ``sha512``).

    A hash without a name is under ``""``. Directories before a name are dropped. When a name comes
    twice with different hashes, DownloadFailed is raised: neither can be trusted.
    """
    found: dict[str, str] = {}
    for name, digest in _entries(text, algorithm):
        if found.setdefault(name, digest) != digest:
            raise DownloadFailed(f"The checksum file has two different sums for {name or 'the image'}.")
    return found


def find_checksum(text: str, algorithm: str, pattern: str) -> str:
    """Give the one hash whose file name matches ``pattern`` (``*`` and ``?``, case counts).

    Raises DownloadFailed when there is none, or when several files with different hashes match.
    """
    sums = parse_checksums(text, algorithm)
    matching = {digest for name, digest in sums.items() if fnmatchcase(name, pattern)}
    if len(matching) != 1:
        many = "several" if matching else "no"
        raise DownloadFailed(f"The checksum file has {many} {algorithm} sums for {pattern!r}.")
    return matching.pop()


def _entries(text: str, algorithm: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        stripped = line.strip()
        match = _BSD.fullmatch(stripped)
        if match and match["algorithm"].replace("-", "").lower() != algorithm:
            continue
        match = match or _COREUTILS.fullmatch(stripped)
        if match and len(match["hash"]) == DIGITS[algorithm]:
            yield (match["name"] or "").rsplit("/", 1)[-1], match["hash"].lower()
