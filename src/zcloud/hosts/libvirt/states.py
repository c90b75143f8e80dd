"""libvirt's numbers for states, reasons and events as words; unknown ones become ``unknown``.

https://libvirt.org/html/libvirt-libvirt-domain.html
"""

from __future__ import annotations

from zcloud.ports import DomainState

_STATES = (
    DomainState.UNKNOWN,
    DomainState.RUNNING,
    DomainState.BLOCKED,
    DomainState.PAUSED,
    DomainState.SHUTDOWN,
    DomainState.SHUTOFF,
    DomainState.CRASHED,
    DomainState.SUSPENDED,
)

_REASONS: dict[DomainState, tuple[str, ...]] = {
    DomainState.RUNNING: (
        "unknown", "booted", "migrated", "restored", "from_snapshot", "unpaused", "migration_canceled",
        "save_canceled", "wakeup", "crashed", "postcopy", "postcopy_failed",
    ),
    DomainState.PAUSED: (
        "unknown", "user", "migration", "save", "dump", "ioerror", "watchdog", "from_snapshot", "shutting_down",
        "snapshot", "crashed", "starting_up", "postcopy", "postcopy_failed", "api_error",
    ),
    DomainState.SHUTDOWN: ("unknown", "user"),
    DomainState.SHUTOFF: (
        "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "daemon",
    ),
    DomainState.CRASHED: ("unknown", "panicked"),
}  # fmt: skip

LIFECYCLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("defined", ("added", "updated", "renamed", "from_snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated", "restored", "from_snapshot", "wakeup", "recovered")),
    ("suspended", (
        "paused", "migrated", "ioerror", "watchdog", "restored", "from_snapshot", "api_error", "postcopy",
        "postcopy_failed",
    )),
    ("resumed", ("unpaused", "migrated", "from_snapshot", "postcopy", "postcopy_failed")),
    ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "recovered")),
    ("shutdown", ("finished", "guest", "host")),
    ("pmsuspended", ("memory", "disk")),
    ("crashed", ("panicked", "crashloaded")),
)  # fmt: skip

IO_ERROR_ACTIONS = ("none", "pause", "report")
BLOCK_JOB_STATES = ("completed", "failed", "canceled", "ready")
AGENT_STATES = ("unknown", "connected", "disconnected")


def word(words: tuple[str, ...], number: int) -> str:
    """Give the word for a number."""
    return words[number] if 0 <= number < len(words) else "unknown"


def domain_state(number: int) -> DomainState:
    """Give the state for libvirt's number."""
    return _STATES[number] if 0 <= number < len(_STATES) else DomainState.UNKNOWN


def state_reason(state: DomainState, number: int) -> str:
    """Give libvirt's reason within a state."""
    return word(_REASONS.get(state, ("unknown",)), number)


def lifecycle(event: int, detail: int) -> tuple[str, str]:
    """Give a lifecycle event and its detail."""
    name, details = LIFECYCLE[event] if 0 <= event < len(LIFECYCLE) else ("unknown", ())
    return name, word(details, detail)
