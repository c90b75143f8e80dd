"""The commands on a host's own disks: looking, and making one that nobody has a place for pools. Pure."""

from __future__ import annotations

import re

from zcloud.domain.hostdisk import MARK, MOUNT_OPTIONS, PLACE
from zcloud.hosts.forms import Form, Text, flags

DISK = Text(r"/dev/(disk/by-(id|path|partuuid)/[A-Za-z0-9:._@+-]{1,200}|mapper/[A-Za-z0-9._+-]{1,100}|[a-z0-9]{2,20})")

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_BLOCKS = "NAME,PATH,TYPE,SIZE,RO,MODEL,SERIAL,WWN,TRAN,ROTA,FSTYPE,LABEL,UUID,PTTYPE,PTUUID,PARTUUID,MOUNTPOINTS"
_DEVICE = Text(r"/dev/([A-Za-z0-9._+-]{1,100}/){0,2}[A-Za-z0-9._+-]{1,100}")
_PARTITION = Text(rf"/dev/disk/by-partuuid/{_UUID}")
_LABEL = Text("zc-[0-9a-f]{8}")
# A line of ours at the end of fstab, or off it: nothing else in that file can be said.
_EDIT = Text(
    rf"\$a UUID={_UUID} {PLACE} (ext4|xfs) {re.escape(MOUNT_OPTIONS)} 0 2"
    rf"|/\^UUID={_UUID} \.\*,{re.escape(MARK.replace('.', '[.]'))} /d"
)

DISK_FORMS: tuple[Form, ...] = (
    Form(f"lsblk -J -b -o {_BLOCKS}"),
    Form("udevadm info -q symlink", operands=(_DEVICE,)),
    Form("wipefs -n -J", operands=(DISK,)),
    Form("wipefs -a -q", operands=(DISK,)),  # never with -f: the kernel refuses what somebody has
    Form("sfdisk -q --wipe always --wipe-partitions always --label gpt", operands=(DISK,), fed=True),
    Form("mkfs.ext4 -q -m 0", flags(), {"-L": _LABEL, "-U": Text(_UUID)}, (_PARTITION,), 0, ("-L", "-U")),
    Form("mkfs.xfs -q", flags(), {"-L": _LABEL, "-m": Text(f"uuid={_UUID}")}, (_PARTITION,), 0, ("-L", "-m")),
    Form("sed -i --follow-symlinks -e", operands=(_EDIT, Text("/etc/fstab"))),
    Form("sync /etc/fstab /etc"),
    Form("systemctl daemon-reload"),
    Form("mount", operands=(Text(PLACE),)),
)
