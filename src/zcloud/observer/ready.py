"""Readiness: ask the guest's agent, look at its console, and give up at the deadline with what was seen."""

from __future__ import annotations

import base64
import contextlib
from datetime import datetime, timedelta
from typing import Any

from zcloud.domain.addresses import merge
from zcloud.domain.errors import GuestSilent, HypervisorFailed, NotFound, ZcloudError
from zcloud.domain.hardware import settle
from zcloud.domain.instance import Instance, Ready
from zcloud.drivers.guest.readiness import RESULT_FILE, STATUS_FILE, Agent, Evidence, Readiness, judge
from zcloud.observer.addresses import addresses_by_agent
from zcloud.observer.foreign import keep_addresses
from zcloud.ports import HostLink, Hypervisor
from zcloud.store import Store, Tx

_CONSOLE_TAIL = 64 << 10
_TOLD_TAIL = 2000
_FILE_LIMIT = 64 << 10
_AGENT_S = 2
_PATIENCE, _LONGEST = 20, timedelta(seconds=5)


def is_due(instance: Instance, looked_at: datetime | None, now: datetime) -> bool:
    """Say whether to look at a waiting instance, which was last looked at then.

    A look costs a command on the host, whose processors its guests need to boot. So it is made again after a
    twentieth of the time that the guest has taken so far: it is seen to be ready at most that much later.
    """
    if looked_at is None or instance.started_at is None:
        return True
    late = instance.ready_deadline is not None and now > instance.ready_deadline
    return late or now >= looked_at + min((now - instance.started_at) / _PATIENCE, _LONGEST)


class ReadyWatch:
    """Moves instances from waiting to ready or failed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> datetime:
        """Give the time of the store's clock."""
        with self._store.read() as tx:
            return tx.now

    def look(self, instance: Instance, link: HostLink) -> Ready:
        """Look at one waiting instance and record what was found; gives its readiness now."""
        seen = gather(instance, link)
        verdict = _by_agent(seen.agent) if instance.adopted else judge(seen)
        now = self.now()
        late = instance.ready_deadline is not None and now > instance.ready_deadline
        if verdict.state is Ready.WAITING and late:
            tail = seen.console[-_TOLD_TAIL:].strip()
            told = f"Not ready in time: {verdict.detail}. The console's last words:\n{tail or '(nothing)'}"
            verdict = Readiness(Ready.FAILED, told, verdict.errors)
        if (instance.adopted or instance.installed) and late and verdict.state is Ready.FAILED:
            verdict = Readiness(Ready.NONE, "Its agent does not answer.")
        facts = guest_facts(instance, link.hypervisor, now) if verdict.state is Ready.READY else {}
        if verdict.state is not Ready.WAITING or verdict.detail != instance.ready_detail:
            self._store.transact(lambda tx: _record(tx, instance, verdict, facts))
        return verdict.state


def gather(instance: Instance, link: HostLink) -> Evidence:
    """Ask the agent for cloud-init's files and read the console's end; of an adopted guest only the agent's word."""
    if instance.adopted:
        return Evidence(instance.id, agent=Agent.ANSWERS if _ping(instance.id, link.hypervisor) else Agent.SILENT)
    console = ""
    path = instance.hardware.get("console_log")
    if path and instance.observed.get("reset_run") != instance.incarnation:  # else it has an older boot's words, too
        with contextlib.suppress(NotFound):
            console = link.shell.read_file(path, limit=_CONSOLE_TAIL, tail=True).decode(errors="replace")
    agent, result, status = _ask(instance.id, link.hypervisor)
    if agent is Agent.NO_FILES and settle(instance.options).os != "linux":
        agent = Agent.ANSWERS  # Windows has no such files, and says so in words of its own
    return Evidence(instance.id, agent=agent, result=result, status=status, console=console)


def guest_facts(instance: Instance, hypervisor: Hypervisor, now: datetime) -> dict[str, Any]:
    """Give what the agent tells of the guest: addresses and operating system; what it does not tell is left out."""
    facts: dict[str, Any] = {}
    with contextlib.suppress(GuestSilent, HypervisorFailed):
        facts["addresses"] = merge([], addresses_by_agent(instance, hypervisor, now), now)
        told = hypervisor.agent(instance.id, "guest-get-osinfo", {}, timeout_s=_AGENT_S)
        facts["os"] = {key: str(told[key])[:200] for key in ("id", "pretty-name", "kernel-release") if key in told}
    return facts


def _by_agent(agent: Agent) -> Readiness:
    if agent is Agent.ANSWERS:
        return Readiness(Ready.READY, "the guest agent answers")
    return Readiness(Ready.WAITING, "the guest agent has not said anything yet")


def _ping(uuid: str, hypervisor: Hypervisor) -> bool:
    try:
        hypervisor.agent(uuid, "guest-ping", {}, timeout_s=_AGENT_S)
    except (GuestSilent, HypervisorFailed, NotFound):
        return False
    return True


def _ask(uuid: str, hypervisor: Hypervisor) -> tuple[Agent, bytes | None, bytes | None]:
    if not _ping(uuid, hypervisor):
        return Agent.SILENT, None, None
    try:
        return Agent.ANSWERS, _read(uuid, hypervisor, RESULT_FILE), _read(uuid, hypervisor, STATUS_FILE)
    except (GuestSilent, HypervisorFailed):
        return Agent.NO_FILES, None, None


def _read(uuid: str, hypervisor: Hypervisor, path: str) -> bytes | None:
    """Read a file through the agent; None where the agent says that there is none."""
    try:
        handle = hypervisor.agent(uuid, "guest-file-open", {"path": path, "mode": "r"}, timeout_s=_AGENT_S)
    except HypervisorFailed as error:
        if "No such file" in error.message:
            return None
        raise
    try:
        answer = hypervisor.agent(uuid, "guest-file-read", {"handle": handle, "count": _FILE_LIMIT}, timeout_s=_AGENT_S)
        return base64.b64decode(answer.get("buf-b64", ""))
    finally:
        with contextlib.suppress(ZcloudError):
            hypervisor.agent(uuid, "guest-file-close", {"handle": handle}, timeout_s=_AGENT_S)


def _record(tx: Tx, before: Instance, verdict: Readiness, facts: dict[str, Any]) -> None:
    instance = tx.instances.many([before.id]).get(before.id)
    if instance is None or instance.incarnation != before.incarnation or instance.ready is not Ready.WAITING:
        return
    keep_addresses(tx, instance, facts.get("addresses", ()))
    tx.instances.update(
        instance.id,
        ready=verdict.state,
        ready_detail=verdict.detail,
        observed={**instance.observed, **facts, "guest_errors": list(verdict.errors), "ready_at": tx.now.isoformat()},
    )
    if verdict.state in (Ready.WAITING, Ready.NONE):
        return
    tx.events.add(
        f"instance.{verdict.state.value}",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        message=f"{instance.name}: {verdict.detail.splitlines()[0]}",
        data={},
    )
