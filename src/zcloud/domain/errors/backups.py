"""What goes wrong with backups, and what a server refuses after a restore until its records are compared."""

from __future__ import annotations

from zcloud.domain.errors.base import Failed, Kind, Refused


class BackupUnusable(Refused):
    """The file is not a backup of zcloud, or it is damaged or incomplete."""

    code = "backup_unusable"
    kind = Kind.INVALID
    default_hint = "Take another one; `zcloud backup verify FILE` reads a backup to its end."


class BackupLocked(Refused):
    """The backup is encrypted, and the passphrase is missing or wrong."""

    code = "backup_locked"
    kind = Kind.INVALID
    default_hint = "Give the passphrase: --passphrase-file FILE, or type it when asked."


class BackupTooNew(Refused):
    """The backup was made by a newer version of zcloud, whose tables this one does not know."""

    code = "backup_too_new"
    kind = Kind.CONFLICT
    default_hint = "Install that version or a newer one, then restore."


class BackupFailed(Failed):
    """A backup could not be made; there is no half file."""

    code = "backup_failed"
    kind = Kind.UNAVAILABLE


class NotEmpty(Refused):
    """Something is there already where a backup would be restored."""

    code = "not_empty"
    kind = Kind.CONFLICT


class ServerRunning(Refused):
    """A server works on this data right now."""

    code = "server_running"
    kind = Kind.CONFLICT
    default_hint = "Stop it first: systemctl stop zcloud"


class Reconciling(Refused):
    """The server was restored from a backup and changes nothing until an admin has compared records and hosts."""

    code = "reconciling"
    kind = Kind.CONFLICT
    default_hint = "An admin looks at `zcloud reconcile show` and ends it: `zcloud reconcile finish`."


class HostsUnseen(Refused):
    """A host was not looked at since the restore, so what it runs is not known."""

    code = "hosts_unseen"
    kind = Kind.CONFLICT
    default_hint = "Bring it back, or go on without it: `zcloud reconcile finish --anyway` compares it when it answers."


class Restored(Failed):
    """The operation was unfinished when the backup was made from which the server was restored; it is not run again."""

    code = "restored"
    kind = Kind.CONFLICT
    default_left = "What it had done on hosts was left as it is."
    default_hint = "Look at what it was about, and ask for it again where it is still wanted."


class EventsMissed(Refused):
    """Events after the number that a follower saw last are not kept any more, or were lost with a restore."""

    code = "events_missed"
    kind = Kind.CONFLICT
    default_hint = "Read what you keep copies of again, then follow from here."
