"""Every workflow by name; an old version stays here until its operations have drained."""

from __future__ import annotations

from collections.abc import Mapping

from zcloud.operations.model import Workflow
from zcloud.workflows.context import Run
from zcloud.workflows.disks import DISK_ATTACH, DISK_DETACH, DISK_LIMIT
from zcloud.workflows.groups import GROUP_START, GROUP_STOP
from zcloud.workflows.host_disks import HOST_DISK_PREPARE, HOST_DISK_RELEASE
from zcloud.workflows.host_forget import HOST_FORGET
from zcloud.workflows.hosts import HOST_ENLIST, HOST_REMOVE, HOST_SCAN
from zcloud.workflows.images import IMAGE_DELETE, IMAGE_IMPORT
from zcloud.workflows.instance_adopt import INSTANCE_ADOPT
from zcloud.workflows.instance_clone import INSTANCE_CLONE, INSTANCE_TEMPLATE
from zcloud.workflows.instance_create import INSTANCE_CREATE
from zcloud.workflows.instance_customize import INSTANCE_CUSTOMIZE
from zcloud.workflows.instance_delete import INSTANCE_DELETE
from zcloud.workflows.instance_edit import INSTANCE_EDIT
from zcloud.workflows.instance_freeze import INSTANCE_FREEZE, INSTANCE_THAW
from zcloud.workflows.instance_hardware import INSTANCE_HARDWARE
from zcloud.workflows.instance_hold import INSTANCE_PAUSE, INSTANCE_RESET, INSTANCE_RESUME
from zcloud.workflows.instance_install import INSTANCE_INSTALL
from zcloud.workflows.instance_media import INSTANCE_EJECT, INSTANCE_INSERT
from zcloud.workflows.instance_power import INSTANCE_RESTART, INSTANCE_START, INSTANCE_STOP
from zcloud.workflows.instance_resize import INSTANCE_RESIZE
from zcloud.workflows.instance_save import INSTANCE_DISCARD, INSTANCE_RESTORE, INSTANCE_SAVE
from zcloud.workflows.moving import INSTANCE_MOVE, VOLUME_MOVE
from zcloud.workflows.names import INSTANCE_RENAME, INSTANCE_TRASH, INSTANCE_UNTRASH
from zcloud.workflows.networks import NETWORK_CREATE, NETWORK_DELETE
from zcloud.workflows.nics import NIC_ATTACH, NIC_DETACH, NIC_LINK
from zcloud.workflows.pools import POOL_CREATE, POOL_DELETE, POOL_GROW, POOL_REFRESH
from zcloud.workflows.snapshots import (
    INSTANCE_DELETE_SNAPSHOT,
    INSTANCE_REVERT,
    INSTANCE_REVERT_MEMORY,
    INSTANCE_SNAPSHOT,
    INSTANCE_SNAPSHOT_MEMORY,
)
from zcloud.workflows.volumes import VOLUME_CLONE, VOLUME_CREATE, VOLUME_DELETE, VOLUME_RESIZE

WORKFLOWS: Mapping[str, Workflow[Run]] = {
    each.name: each
    for each in (
        DISK_ATTACH,
        DISK_DETACH,
        DISK_LIMIT,
        GROUP_START,
        GROUP_STOP,
        HOST_DISK_PREPARE,
        HOST_DISK_RELEASE,
        HOST_ENLIST,
        HOST_FORGET,
        HOST_REMOVE,
        HOST_SCAN,
        IMAGE_DELETE,
        IMAGE_IMPORT,
        INSTANCE_ADOPT,
        INSTANCE_CLONE,
        INSTANCE_TEMPLATE,
        INSTANCE_CREATE,
        INSTANCE_CUSTOMIZE,
        INSTANCE_DELETE,
        INSTANCE_HARDWARE,
        INSTANCE_RESIZE,
        INSTANCE_DISCARD,
        INSTANCE_EDIT,
        INSTANCE_EJECT,
        INSTANCE_INSERT,
        INSTANCE_INSTALL,
        INSTANCE_FREEZE,
        INSTANCE_MOVE,
        INSTANCE_PAUSE,
        INSTANCE_RENAME,
        INSTANCE_RESET,
        INSTANCE_RESTART,
        INSTANCE_RESTORE,
        INSTANCE_RESUME,
        INSTANCE_SAVE,
        INSTANCE_START,
        INSTANCE_STOP,
        INSTANCE_SNAPSHOT,
        INSTANCE_REVERT,
        INSTANCE_SNAPSHOT_MEMORY,
        INSTANCE_REVERT_MEMORY,
        INSTANCE_DELETE_SNAPSHOT,
        INSTANCE_THAW,
        INSTANCE_TRASH,
        INSTANCE_UNTRASH,
        NETWORK_CREATE,
        NETWORK_DELETE,
        NIC_ATTACH,
        NIC_DETACH,
        NIC_LINK,
        POOL_CREATE,
        POOL_DELETE,
        POOL_GROW,
        POOL_REFRESH,
        VOLUME_CLONE,
        VOLUME_CREATE,
        VOLUME_DELETE,
        VOLUME_MOVE,
        VOLUME_RESIZE,
    )
}
