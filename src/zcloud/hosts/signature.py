"""Who signed a checksum file: GnuPG's verifier, run confined, with the keys of one vendor and no others."""

from __future__ import annotations

import contextlib
import os
import re
import shutil

from zcloud.domain.errors import DownloadFailed, ToolMissing
from zcloud.hosts.inspect import ImageLimits, run_confined

_LIMITS = ImageLimits(memory=256 << 20, deadline_s=30)
# The signing key's fingerprint, dates and parameters, then its primary key's (doc/DETAILS of GnuPG).
_VALID = re.compile(rb"^\[GNUPG:\] VALIDSIG [0-9A-F]{40,64} .* ([0-9A-F]{40,64})$", re.MULTILINE)


def check_signature(data: bytes, signature: bytes, keys: bytes) -> str:
    """Give the fingerprint of the primary key of ``keys`` (a binary keyring) that signed ``data``, detached.

    Raises DownloadFailed where none of them did, and ToolMissing.
    """
    program = shutil.which("gpgv", path="/usr/bin:/usr/local/bin")
    if program is None:
        raise ToolMissing("gpgv is not installed.", hint="Install the package gpgv.")
    with contextlib.ExitStack() as open_files:
        fds = [open_files.enter_context(_Held(each)).fd for each in (keys, signature, data)]
        ring, signed, text = (f"/proc/self/fd/{fd}" for fd in fds)
        code, told = run_confined(
            [program, "--homedir", "/nonexistent", "--status-fd", "1", "--keyring", ring, signed, text], fds, _LIMITS
        )
    signers = _VALID.findall(told)
    if code or len(signers) != 1:
        raise DownloadFailed(
            "The vendor's checksum file is not signed by the vendor's key; nothing of the image was taken.",
            hint="Try again later. If it stays so, the file was changed on its way, or the vendor has a new key.",
        )
    return str(signers[0].decode())


class _Held:
    """Bytes in memory as an open file."""

    def __init__(self, data: bytes) -> None:
        self.fd = os.memfd_create("signed")
        with os.fdopen(os.dup(self.fd), "wb") as file:
            file.write(data)
        os.lseek(self.fd, 0, os.SEEK_SET)

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
