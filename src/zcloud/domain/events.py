"""Every kind of event, with the sentence that says when it comes. The reference is generated from it."""

from __future__ import annotations

from collections.abc import Mapping

EVENT_KINDS: Mapping[str, str] = {
    # What zcloud does because somebody asked for it.
    "operation.started": "A worker has begun an operation, or taken it up again.",
    "operation.step": "A step of an operation has begun, made progress, ended, or was undone.",
    "operation.waiting": "An operation waits for something to happen and holds no worker.",
    "operation.blocked": "An operation cannot go on because a host does not answer; it goes on by itself.",
    "operation.ended": "An operation has succeeded, failed or was cancelled; `data.status` says which.",
    "host.disk_prepared": "A disk of a host was given a file system and is mounted; `data.mount` says where.",
    "host.disk_released": "A disk of a host is not mounted any more; what is on it stays.",
    "image.upload": "Bytes of an upload have come; `data` has its offset and size. At most one in two seconds.",
    "instance.small": "An instance gets less than its system needs, or what that does not start with.",
    "instance.changed": "Somebody changed an instance's tags or its protection.",
    "instance.adopted": "A domain of a host became an instance; `data.unmapped` has what zcloud has no record for.",
    "instance.forgotten": "An adopted instance is not zcloud's any more; its domain was left alone.",
    "instance.customized": "The system on an instance's disk was changed while it was off.",
    "instance.edited": "An operator changed an instance's definition by zcloud.",
    "instance.guest_asked": "Somebody set a password, ran a command or read a file in a guest; the message says who.",
    "instance.renamed": "An instance has another name; `data` has the old and the new one.",
    "instance.trashed": "An instance was put into the trash; `data.until` says how long it can be brought back.",
    "instance.untrashed": "An instance was brought back from the trash.",
    # What the observer sees of guests.
    "instance.running": "An instance that was paused runs again.",
    "instance.stopped": "An instance is off although nobody asked zcloud for it; the message says how that came.",
    "instance.io_error": "An instance was paused because a disk failed or its pool is full.",
    "instance.not_resumed": "An instance that ran before its host went down could not be started again.",
    "instance.ready": "The guest said that it is ready.",
    "instance.failed": "The guest did not become ready in time, or said that its set-up failed.",
    # What was changed behind zcloud's back: recorded and shown, never undone.
    "drift.power": "An instance was started, paused or resumed outside zcloud.",
    "drift.definition": "An instance's definition was changed outside zcloud.",
    "drift.deleted": "An instance's domain or definition was removed outside zcloud.",
    # What the observer sees of hosts.
    "host.up": "A host answers.",
    "host.degraded": "A host answers by SSH, but its libvirt does not.",
    "host.lost": "A host does not answer at all.",
    "host.booted": "A host was booted; what ran on it runs again, unless it is to stay off.",
    "host.forgotten": "A lost host was forgotten with all that only it had; `data` says how much.",
    "instance.lost": "An instance is gone with its host, which was lost and is forgotten; `data` has its volumes.",
    "volume.lost": "A volume that no instance had is gone with its host, which was lost and is forgotten.",
    "host.healed": "Anti-spoofing elements, DHCP entries or a shared pool were missing on a host and were put back.",
    "pool.usable": "A shared pool can be used on a host from now on, or again.",
    "pool.unusable": "A shared pool cannot be used on a host; the message says why. It is tried again.",
    "pool.filling": "A pool is nearly full; `data` has its size and what is free.",
    "pool.degraded": "What a pool lies in has lost a part or cannot be read; the message says how. Guests may wait.",
    "pool.sound": "What a pool lies in is whole again.",
    # The server itself.
    "server.restored": "The server was restored from a backup; it changes nothing until an admin ends that.",
    "server.reconciled": "An admin ended the reconcile mode: what hosts run is taken as it is.",
    "snapshot.missed": "A schedule cannot take a snapshot of an instance; told once for each reason (`data.code`).",
    "backup.made": "A scheduled backup was made; `data` has its file and size.",
    "backup.failed": "A scheduled backup could not be made; it is tried again.",
    "host.orphans": "A host has things that look like zcloud's and that no record knows. They are left alone.",
}
