"""What pages call things: the navigation, and how a status is marked. A mark never tells by its colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Glyph(NamedTuple):
    """A mark of icons.svg (``s-SHAPE``) and the class of its colour (``zc-TONE``)."""

    shape: str
    tone: str


class Entry(NamedTuple):
    """An entry of the navigation; who may not call the API's route ``like`` does not see it."""

    path: str
    text: str
    icon: str
    like: str
    section: str = ""


NAVIGATION: tuple[Entry, ...] = (
    Entry("/overview", "Overview", "layout-dashboard", "GET /v1/instances"),
    Entry("/instances", "Instances", "monitor", "GET /v1/instances"),
    Entry("/operations", "Operations", "activity", "GET /v1/operations"),
    Entry("/events", "Events", "scroll-text", "GET /v1/events"),
    Entry("/hosts", "Hosts", "server", "GET /v1/hosts", "Infrastructure"),
    Entry("/pools", "Pools", "database", "GET /v1/pools", "Infrastructure"),
    Entry("/volumes", "Volumes", "hard-drive", "GET /v1/volumes", "Infrastructure"),
    Entry("/images", "Images", "disc-3", "GET /v1/images", "Infrastructure"),
    Entry("/media", "Media", "disc", "GET /v1/images", "Infrastructure"),
    Entry("/templates", "Templates", "stamp", "GET /v1/instances", "Infrastructure"),
    Entry("/schedules", "Schedules", "calendar-clock", "GET /v1/snapshot-schedules", "Infrastructure"),
    Entry("/networks", "Networks", "network", "GET /v1/networks", "Infrastructure"),
    Entry("/projects", "Projects", "layers", "GET /v1/projects", "People"),
    Entry("/users", "Users", "users", "GET /v1/users", "People"),
    Entry("/account", "Account", "key-round", "GET /v1/sessions", "You"),
    Entry("/settings", "Settings", "settings", "GET /v1/backups", "You"),
)

_OK, _OFF, _BUSY, _BAD = Glyph("running", "ok"), Glyph("stopped", "off"), Glyph("busy", "busy"), Glyph("error", "bad")
_WARN, _UNKNOWN = Glyph("warn", "warn"), Glyph("unknown", "off")
GLYPHS: Mapping[str, Glyph] = {
    # instances
    "running": _OK, "stopped": _OFF, "template": Glyph("template", "off"),
    "paused": Glyph("paused", "off"), "saved": Glyph("paused", "off"),
    "trashed": _OFF, "error": _BAD, "unknown": _UNKNOWN, "missing": _WARN, "building": _BUSY, "starting": _BUSY,
    "stopping": _BUSY, "restarting": _BUSY, "saving": _BUSY, "deleting": _BUSY,
    # hosts, pools, networks, images
    "up": _OK, "ready": _OK, "degraded": _WARN, "lost": _BAD, "failed": _BAD, "creating": _BUSY, "importing": _BUSY,
    "adding": _BUSY, "removing": _BUSY, "pending": Glyph("wait", "off"), "new": Glyph("wait", "off"),
    # operations and their steps
    "queued": Glyph("wait", "off"), "waiting": Glyph("wait", "off"), "blocked": _WARN, "undoing": _BUSY,
    "succeeded": Glyph("done", "ok"), "cancelled": _OFF, "done": Glyph("done", "ok"), "undone": _OFF, "left": _WARN,
}  # fmt: skip
"""``running`` of an operation is busy, which its pages say themselves."""

SAID: tuple[str, ...] = (
    # what services give as a word, and templates show by ``_(each|word)``; beside states and titles of steps
    "Adopt", "Attach disk", "Attach nic", "Cancel", "Create", "Delete", "Detach disk", "Detach nic", "Discard", "Edit",
    "Enlist", "Forget", "Freeze", "Hardware", "Import", "Limit disk", "Link nic", "Pause", "Remove", "Rename", "Reset",
    "Resize", "Restart", "Restore", "Resume", "Save", "Scan", "Start", "Stop", "Tag", "Thaw", "Trash", "Untag",
    "Untrash", "Snapshot", "Snapshot memory", "Revert", "Revert memory", "Delete snapshot", "Insert", "Eject", "Clone",
    "Template", "Install", "Prepare disk", "Release disk", "Adding", "Removing", "None", "Root", "Data", "Last",
    "Stay-off",
    "Authority", "Server", "Schema", "Store", "Workers", "Observer",
    # shown as they are
    "admin", "operator", "member", "viewer",
    "instance", "host", "pool", "network", "image", "volume", "group", "server", "user", "project",
    "CPU", "Memory", "Volumes", "Memory taken", "Disk", "Network", "read", "written", "in", "out", "d", "h", "min", "s",
)  # fmt: skip
"""Texts that no template holds, for the catalogues."""
