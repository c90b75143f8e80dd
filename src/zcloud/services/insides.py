"""What can be asked of a running guest through its agent, while the caller waits: little, bounded, and told."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from zcloud.domain.errors import GuestRefused, HypervisorFailed, InvalidInput, WrongState, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.people import Actor, Role
from zcloud.drivers.guest.agent import (
    FACTS,
    Filesystem,
    GuestFacts,
    Result,
    Trimmed,
    ask_command,
    ask_password,
    ask_time,
    parse_facts,
    parse_filesystems,
    parse_handle,
    parse_pid,
    parse_piece,
    parse_result,
    parse_trimmed,
)
from zcloud.drivers.guest.filesystems import is_serial
from zcloud.ports import Hypervisor
from zcloud.services.context import Services, authorize
from zcloud.services.direct import Direct
from zcloud.services.owned import find

T = TypeVar("T")

MAX_READ = 64 << 10
MAX_INPUT = 64 << 10
MAX_ARGUMENTS, MAX_ARGUMENT = 100, 4096
_AGENT_S = 8  # of the ten that a request waits for a host
_USER = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")
_DISABLED = ("has been disabled", "not allowed", "CommandNotFound", "not found")

Agent = Callable[[str, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A mounted file system, with the volumes that it lies on as far as the guest tells their serials."""

    filesystem: Filesystem
    volumes: tuple[str, ...]


class Insides:
    """The service behind ``zcloud guest``, and ``zcloud instance filesystems``, ``exec`` and the like."""

    def __init__(self, services: Services, direct: Direct) -> None:
        self._store, self._direct = services.store, direct

    def filesystems(self, actor: Actor, project: str, ref: str) -> list[Place]:
        """List what the guest has mounted. Raises WrongState, GuestSilent, GuestRefused, DeadlineExceeded."""
        instance = self._running(actor, project, ref)
        found = self._ask(instance, lambda agent: parse_filesystems(agent("guest-get-fsinfo", {})))
        with self._store.read() as tx:
            volumes = [*tx.volumes.of_instance(instance.id), *tx.readers.of_instance(instance.id)]

        def on(filesystem: Filesystem) -> tuple[str, ...]:
            told = filesystem.serials
            return tuple(each.name for each in volumes if any(is_serial(one, each.serial) for one in told))

        return [Place(each, on(each)) for each in found]

    def info(self, actor: Actor, project: str, ref: str) -> tuple[GuestFacts, float | None]:
        """Give what the guest says of itself, and by how many seconds its clock is ahead. Raises as ``filesystems``.

        An older agent does not know every question; what it does not tell is left out.
        """
        instance = self._running(actor, project, ref)
        facts = self._ask(instance, lambda agent: parse_facts(_tell_all(agent)))
        with self._store.read() as tx:
            now = tx.now.timestamp()
        return facts, None if facts.time is None else round(facts.time - now, 1)

    def trim(self, actor: Actor, project: str, ref: str) -> tuple[Trimmed, ...]:
        """Have the guest tell its disks which blocks it does not use. Raises as ``filesystems``."""
        instance = self._running(actor, project, ref)
        trimmed = self._ask(instance, lambda agent: parse_trimmed(agent("guest-fstrim", {})))
        self._tell(actor, instance, f"{actor.user_name} had the file systems of {instance.name} trimmed.")
        return trimmed

    def set_time(self, actor: Actor, project: str, ref: str) -> None:
        """Set the guest's clock to the controller's. Raises as ``filesystems``."""
        instance = self._running(actor, project, ref)
        with self._store.read() as tx:
            now = tx.now
        self._ask(instance, lambda agent: agent("guest-set-time", ask_time(now)))
        self._tell(actor, instance, f"{actor.user_name} set the clock of the guest of {instance.name}.")

    def set_password(self, actor: Actor, project: str, ref: str, user: str, password: str) -> None:
        """Give a user of the guest another password, kept nowhere. Raises InvalidInput, and as ``filesystems``."""
        if not _USER.match(user):
            raise InvalidInput(f"{user[:40]!r} is no name of a user.", field="user")
        if any(each in password for each in "\n\r\0:"):
            raise InvalidInput("A password cannot have colons or line ends.", field="password")
        instance = self._running(actor, project, ref)
        self._ask(instance, lambda agent: agent("guest-set-user-password", ask_password(user, password)))
        self._tell(actor, instance, f"{actor.user_name} set the password of {user} in the guest of {instance.name}.")

    def execute(self, actor: Actor, project: str, ref: str, argv: Sequence[str], given: str) -> int:
        """Begin a command in the guest, as its root, without a shell, and give its process id; ``result`` has the rest.

        Raises InvalidInput, and as ``filesystems``.
        """
        authorize(actor, None, Role.ADMIN, "Running commands in guests")
        if not argv or not argv[0] or len(argv) > MAX_ARGUMENTS or any(len(each) > MAX_ARGUMENT for each in argv):
            raise InvalidInput(f"A command is a program and {MAX_ARGUMENTS - 1} arguments at most.", field="command")
        if len(given) > MAX_INPUT:
            raise InvalidInput(f"The input may have {MAX_INPUT} characters.", field="input")
        instance = self._running(actor, project, ref)
        # Before it: what was begun is on record even if its answer is lost. Arguments may hold secrets.
        self._tell(actor, instance, f"{actor.user_name} ran {argv[0][:80]!r} in the guest of {instance.name}.")
        return self._ask(instance, lambda agent: parse_pid(agent("guest-exec", ask_command(argv, given))))

    def result(self, actor: Actor, project: str, ref: str, pid: int) -> Result:
        """Say how a command is; once it has ended, that is told a single time. Raises as ``filesystems``."""
        authorize(actor, None, Role.ADMIN, "Running commands in guests")
        instance = self._running(actor, project, ref)
        return self._ask(instance, lambda agent: parse_result(agent("guest-exec-status", {"pid": pid})))

    def read_file(self, actor: Actor, project: str, ref: str, path: str, limit: int) -> bytes:
        """Give the beginning of a file in the guest, ``limit`` bytes at most. Raises as ``filesystems``."""
        authorize(actor, None, Role.ADMIN, "Reading files of guests")
        if not path.startswith("/") or "\0" in path:
            raise InvalidInput("A path in the guest begins with /.", field="path")
        instance = self._running(actor, project, ref)
        self._tell(actor, instance, f"{actor.user_name} read {path[:200]!r} in the guest of {instance.name}.")
        return self._ask(instance, lambda agent: _read(agent, path, min(limit, MAX_READ)))

    def _running(self, actor: Actor, project: str, ref: str) -> Instance:
        with self._store.read() as tx:
            instance = find(tx, actor, project, ref, Role.MEMBER)
        if instance.status is not InstanceStatus.RUNNING:
            raise WrongState(
                f"The instance {instance.name} is {instance.status}; its guest can be asked nothing now.",
                hint=f"Start it: `zcloud start {instance.name}`.",
            )
        return instance

    def _ask(self, instance: Instance, work: Callable[[Agent], T]) -> T:
        def ask(hypervisor: Hypervisor) -> T:
            return work(lambda command, given: hypervisor.agent(instance.id, command, given, timeout_s=_AGENT_S))

        try:
            return self._direct.ask(instance.host_id, ask)
        except HypervisorFailed as error:
            raise _refused(instance, error) from error

    def _tell(self, actor: Actor, instance: Instance, message: str) -> None:
        self._store.transact(
            lambda tx: tx.events.add(
                "instance.guest_asked",
                project_id=instance.project_id,
                resource_kind="instance",
                resource_id=instance.id,
                resource_name=instance.name,
                message=message,
                data={"actor": actor.user_name},
            )
        )


def _tell_all(agent: Agent) -> dict[str, Any]:
    agent("guest-ping", {})  # one that is silent is told of
    answers: dict[str, Any] = {}
    for command in FACTS:
        with contextlib.suppress(HypervisorFailed):
            answers[command] = agent(command, {})
    return answers


def _read(agent: Agent, path: str, limit: int) -> bytes:
    handle = parse_handle(agent("guest-file-open", {"path": path, "mode": "r"}))
    try:
        return parse_piece(agent("guest-file-read", {"handle": handle, "count": limit}), limit)
    finally:
        with contextlib.suppress(ZcloudError):
            agent("guest-file-close", {"handle": handle})


def _refused(instance: Instance, error: HypervisorFailed) -> GuestRefused:
    """Say in the guest's words why it did not; libvirt repeats no argument of ours in them."""
    hint = ""
    if any(each in error.message for each in _DISABLED):
        hint = "Its agent may be too old, or may have this switched off (`block-rpcs` or `allow-rpcs` in qemu-ga.conf)."
    return GuestRefused(f"The guest of {instance.name} refused: {error.message[:500]}", hint=hint)
