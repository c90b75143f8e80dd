"""Takes away from this process what the parsing of hostile bytes does not need; there is no way back.

Landlock for files (https://docs.kernel.org/userspace-api/landlock.html), a seccomp filter against sockets, signals
and tracing, resource limits, no new privileges, and the user nobody where it began as root. It needs no
privileges itself, and if any layer cannot be had it raises: nothing is parsed half confined.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from dataclasses import dataclass

NOBODY = 65534

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
# How many access rights each Landlock ABI knows: from 1 on, with REFER (2), TRUNCATE (3), IOCTL_DEV (5).
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_NEWEST = 16

# machine -> (AUDIT_ARCH, denied calls): socket, socketpair, connect, ptrace, process_vm_readv/writev, kill, tkill,
# tgkill, (t)sigqueueinfo, pidfd_send_signal, pidfd_getfd, io_uring_*, mount, umount2, unshare, setns, keyctl,
# add_key, request_key, bpf, perf_event_open, userfaultfd, open_by_handle_at.
_ANYWHERE = (424, 425, 426, 427, 438)
_DENIED = {
    "x86_64": (
        0xC000003E,
        (41, 53, 42, 101, 310, 311, 62, 200, 234, 129, 297, 165, 166, 272, 308, 250, 248, 249, 321, 298, 323, 304),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 199, 203, 117, 270, 271, 129, 130, 131, 138, 240, 40, 39, 97, 268, 219, 217, 218, 280, 241, 282, 265),
    ),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class Budget:
    """What the process may use: address space and file sizes in bytes, processor time in seconds."""

    memory: int
    cpu_s: int
    file_size: int
    files: int = 64


class CannotConfine(OSError):
    """This kernel or machine lacks a layer of the confinement."""


def lock_down(budget: Budget, programs: Iterable[str] = (), files: Iterable[int] = ()) -> None:
    """Confine this process and all it will execute.

    It keeps the descriptors it has. Below ``programs`` it may read and execute, ``files`` (descriptors) it may
    open again for reading; nothing else can be opened. Raises CannotConfine.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, value in (
        (resource.RLIMIT_AS, budget.memory),
        (resource.RLIMIT_CPU, budget.cpu_s),
        (resource.RLIMIT_FSIZE, budget.file_size),
        (resource.RLIMIT_NOFILE, budget.files),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    ruleset = _make_ruleset(libc, programs, files)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "the parent's death signal")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(libc.syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)
    _filter_calls(libc)


def _make_ruleset(libc: ctypes.CDLL, programs: Iterable[str], files: Iterable[int]) -> int:
    abi = _check(libc.syscall(_CREATE_RULESET, None, 0, _RULESET_VERSION), "Landlock")
    rights = (1 << _RIGHTS.get(abi, _RIGHTS_NEWEST)) - 1
    tcp = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0  # abstract sockets and signals
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    attributes = struct.pack("=QQQ", rights, tcp, scoped)[:size]
    ruleset = _check(libc.syscall(_CREATE_RULESET, attributes, size, 0), "Landlock")
    for path in programs:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = _READ_FILE | _EXECUTE | (_READ_DIR if os.path.isdir(path) else 0)
        _allow(libc, ruleset, fd, allowed)
        os.close(fd)
    for fd in files:
        _allow(libc, ruleset, fd, _READ_FILE)
    return ruleset


def _allow(libc: ctypes.CDLL, ruleset: int, fd: int, rights: int) -> None:
    rule = struct.pack("=Qi", rights, fd)
    _check(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0), "a Landlock rule")


def _filter_calls(libc: ctypes.CDLL) -> None:
    if platform.machine() not in _DENIED:
        raise CannotConfine(f"there is no system call filter for {platform.machine()}")
    arch, calls = _DENIED[platform.machine()]
    denied = (*calls, *_ANYWHERE)
    # Jumps count the instructions to skip: from each comparison to the last but one comes the rest and the ALLOW.
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program.append((_AT_LEAST, len(denied) + 1, 0, _X32))
    program += [(_EQUAL, len(denied) - number, 0, call) for number, call in enumerate(denied)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    _check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0), "the system call filter")


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise CannotConfine(code, f"{what} cannot be had ({os.strerror(code)})")
    return result
