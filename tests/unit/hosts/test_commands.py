"""The closed list: what drivers use passes, and what an attacker would try is refused."""

from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zcloud.domain.errors import CommandForbidden
from zcloud.domain.host import Accel
from zcloud.domain.hostdisk import FileSystem, Marks, Wish
from zcloud.domain.plug import DiskFormat, DiskSource
from zcloud.drivers.guest import guestfs
from zcloud.drivers.hostdisks import COLUMNS, note_argv, unnote_argv
from zcloud.drivers.network import guard_rules
from zcloud.drivers.passage import Identity
from zcloud.hosts.commands import DEFAULT_ROOTS, FORMS, PROBE_DIRECTORY, check, reads_input, takes_script
from zcloud.hosts.forms import Form, Kind, Text
from zcloud.hosts.nftscript import check_script

I = "/var/lib/libvirt/images"  # noqa: E741 - the short name keeps the tables readable
M = f"{I}/zcloud-shared"
ID = f"{'0' * 8}-0000-0000-0000-{'0' * 12}"
RBD = "rbd:vms/"
KEY = f"--object secret,id=key-{ID},file={I}/zcloud-{ID}/chap"
GLUSTER = "nosuid,nodev,noexec,log-level=WARNING"
SIGNED = f"--conf {I}/p/ceph.conf --id zcloud"
LUN = (
    'json:{"driver":"raw","offset":0,"size":512,"file":{"driver":"iscsi","transport":"tcp","portal":"192.0.2.9:3260",'
    '"target":"iqn.2026-01.test:disks","lun":1,"timeout":20,"initiator-name":"iqn.2026-01.test:zcloud",'
    f'"user":"zcloud","password-secret":"key-{ID}"' + "}}"
)
ZEROS = 'json:{"driver":"raw","file":{"driver":"null-co","size":512,"read-zeroes":true}}'
APPLIANCE = "/var/lib/libvirt/zcloud-appliance-1.48.6"
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
PROBE = (
    "qemu-system-x86_64 -nodefaults -nographic -no-reboot -accel kvm -cpu host -m 128 "
    f"-kernel {PROBE_DIRECTORY}/vmlinuz -initrd {PROBE_DIRECTORY}/initrd -sandbox {SANDBOX} -serial stdio -monitor none"
)

ALLOWED = {
    f"qemu-img create -q -f qcow2 -b {I}/b -F qcow2 -o cluster_size=64k,extended_l2=on {I}/v 10G": [f"{I}/b", f"{I}/v"],
    f"qemu-img create -f raw {I}/v 1073741824": [f"{I}/v"],
    f"qemu-img info {KEY} -U --output=json -f raw -- {LUN}": [],
    f"qemu-img convert {KEY} {KEY} -q -n -t writeback -f raw -O raw -- {LUN} {LUN}": [],
    f"qemu-img convert {KEY} -q -n -t writeback -f raw -O raw -- {ZEROS} {LUN}": [],
    f"qemu-img compare {KEY} -q -f raw -F qcow2 -- {LUN} {I}/v": [f"{I}/v"],
    f"qemu-img create -f qcow2 -b {I}/b -F raw {I}/v": [f"{I}/b", f"{I}/v"],
    f"qemu-img info --output=json -U {I}/v": [f"{I}/v"],
    f"qemu-img convert -f qcow2 -O raw -W -S 4K {I}/a {I}/b": [f"{I}/a", f"{I}/b"],
    f"qemu-img resize -f qcow2 -- {I}/v 20G": [f"{I}/v"],
    f"qemu-img convert -q -f qcow2 -O raw -- {I}/a {RBD}part.{ID}:id=zcloud:conf={I}/p/ceph.conf": [
        f"{I}/a",
        f"{I}/p/ceph.conf",
    ],
    f"rbd ls vms --format json {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd du --pool vms --format json {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd info vms/{ID} --format json {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd create vms/part.{ID} --size 512B {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd resize vms/{ID} --size 512B --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd clone vms/base.{'0' * 64}@base vms/part.{ID} {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd rename vms/part.{ID} vms/{ID} {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd cp vms/{ID} vms/part.{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd cp vms/{ID}@{ID} vms/part.{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd deep cp vms/{ID} vms/part.{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd snap create vms/{ID}@{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd snap rm vms/{ID}@sealed --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd snap rollback vms/{ID}@{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd snap purge vms/{ID} --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd trash mv vms/{ID} {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd trash ls vms --format json {SIGNED}": [f"{I}/p/ceph.conf"],
    f"rbd trash rm vms/102cfc2d513b --no-progress {SIGNED}": [f"{I}/p/ceph.conf"],
    f"ceph df --format json --connect-timeout 10 {SIGNED}": [f"{I}/p/ceph.conf"],
    f"ceph health --format json --connect-timeout 10 {SIGNED}": [f"{I}/p/ceph.conf"],
    f"qemu-img snapshot -q --image-opts -c {'0' * 8}-0000-0000-0000-{'0' * 12} -- driver=qcow2,file.filename={I}/v": [
        f"{I}/v"
    ],
    f"qemu-img check --output=json -f qcow2 {I}/v": [f"{I}/v"],
    "qemu-img measure --output=json -O qcow2 --size 10G": [],
    f"install -d -m 0711 {I}": [I],
    f"install -D -m 0600 -o libvirt-qemu -g kvm -- /dev/null {I}/x": [f"{I}/x"],
    f"dd status=none bs=1M conv=fsync,nocreat of={I}/x": [f"{I}/x"],
    f"dd status=none bs=1M conv=fsync,nocreat iflag=fullblock,count_bytes count=9 of={I}/x": [f"{I}/x"],
    f"rm -f -- {I}/x": [f"{I}/x"],
    "rm -r -f -- /var/lib/libvirt/swtpm/5a2e6a4c-7d1f-4c62-9f0e-000000000001": [],
    "guestfish --version": [],
    f"stat -c %F -- {APPLIANCE}": [],
    f"rm -r -f -- {APPLIANCE}.part": [],
    f"mv -T -n -- {APPLIANCE}.part {APPLIANCE}": [],
    "env LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg "
    f"libguestfs-make-fixed-appliance {APPLIANCE}.part": [],
    f"mv -f -T -- {I}/x {I}/y": [f"{I}/x", f"{I}/y"],
    f"chown libvirt-qemu:kvm {I}/x": [f"{I}/x"],
    "chown 64055:64055 -- /dev/vg0/zcloud-0a": [],
    f"chmod 0640 {I}/x": [f"{I}/x"],
    f"truncate -s 0 {I}/x": [f"{I}/x"],
    f"find {I} -mindepth 1 -maxdepth 1 -type f -printf %p\\0%s\\0%b\\0": [I],
    f"stat -c %s {I}/x": [f"{I}/x"],
    "stat -L -c %a:%u:%g -- /var/lib": [],
    f"realpath -m -- {I}/x": [f"{I}/x"],
    f"ls -A1 -- {I}": [I],
    f"mount -t nfs -o vers=4.2,hard,retry=0,nosuid,nodev,noexec,timeo=600 -- files.test:/srv/a {M}/x": [f"{M}/x"],
    f"mount -t nfs -o vers=4.0,hard,nosuid,nodev -- [fd00::1]:/ {M}/x": [f"{M}/x"],
    f"mount -t glusterfs -o {GLUSTER} -- g1.test:/vms {M}/x": [f"{M}/x"],
    f"mount -t glusterfs -o {GLUSTER},backup-volfile-servers=g2.test:192.0.2.3 -- g1.test:/vms {M}/x": [f"{M}/x"],
    f"umount -- {M}/x": [f"{M}/x"],
    "cat -- /proc/mounts": [],
    "ip link set dev zbr-11111111 type bridge no_linklocal_learn 1": [],
    "dhcp_release": [],
    "dhcp_release zbr-11111111 10.5.0.9 52:54:00:00:00:09": [],
    f"df -B1 --output=size,used,avail,target,fstype {I}": [I],
    f"qemu-img convert -q -n --target-is-zero -T none -t none -f raw -O raw -- {I}/x /dev/vg0/zcloud-base-0a.part": [
        f"{I}/x"
    ],
    "vgs --reportformat json --units b --nosuffix -o vg_size,vg_free,vg_extent_size,vg_tags -- vg0": [],
    "vgcreate -q --addtag zcloud.made=0-a -- vg0 /dev/vdb /dev/disk/by-id/wwn-0x5000c500": [],
    "lvcreate -q -y -L 4194304b -n zcloud-0a -- vg0": [],
    "lvcreate -q -y -s -k n -n zcloud-0a.part -- vg0/zcloud-base-0a": [],
    "lvrename -q -- vg0 zcloud-0a.part zcloud-0a": [],
    "lvremove -q -f -- vg0/zcloud-0a": [],
    "lvextend -q -L 8388608b --poolmetadatasize 4194304b -- vg0/zcloud-pool": [],
    "lvreduce -q -y -f -L 4194304b -- vg0/zcloud-0a": [],
    "lvchange -q --errorwhenfull y -- vg0/zcloud-pool": [],
    "blkdiscard -z -o 0 -l 4194304 -- /dev/vg0/zcloud-0a": [],
    "cat /proc/meminfo": [],
    "cat /proc/sys/kernel/random/boot_id": [],
    "cat /sys/module/kvm_intel/parameters/nested": [],
    "tail -c 100 -- /var/log/libvirt/qemu/a.log": ["/var/log/libvirt/qemu/a.log"],
    "nft -j list table bridge zcloud": [],
    "ip -j -d link show type bridge": [],
    "ip -j addr show dev br0 up": [],
    "ip -j -s neigh show": [],
    "cat -- /etc/fstab": [],
    f"lsblk -J -b -o {COLUMNS}": [],
    "udevadm info -q symlink -- /dev/nvme0n1": [],
    "wipefs -n -J -- /dev/sdb": [],
    "wipefs -a -q -- /dev/sdb": [],
    "sfdisk -q --wipe always --wipe-partitions always --label gpt -- /dev/sdb": [],
    f"mkfs.ext4 -q -m 0 -L zc-00000000 -U {ID} -- /dev/disk/by-partuuid/{ID}": [],
    f"mkfs.xfs -q -L zc-00000000 -m uuid={ID} -- /dev/disk/by-partuuid/{ID}": [],
    "mount -- /srv/fast": [],
    "umount -- /srv/fast": [],
    "sync /etc/fstab /etc": [],
    "systemctl daemon-reload": [],
    "systemctl is-active libvirtd.service": [],
    "sysctl -n net.ipv4.ip_forward": [],
    "uname -r": [],
    "true": [],
    PROBE: [f"{PROBE_DIRECTORY}/vmlinuz", f"{PROBE_DIRECTORY}/initrd"],
}

REFUSED = [
    # Ceph: only our own images, only by a configuration below the roots
    "rbd ls vms --format json --conf /etc/ceph/ceph.conf --id zcloud",
    "rbd ls vms --format json",
    f"rbd trash mv vms/customer-database {SIGNED}",
    f"rbd trash mv other/../vms/{ID} {SIGNED}",
    f"qemu-img info --object secret,id=key-{ID},file=/etc/shadow -f raw {LUN}",
    f"qemu-img info {KEY},file=/etc/shadow -f raw {LUN}",
    f"qemu-img info --object secret,id=key-{ID},data=secret -f raw {LUN}",
    f"qemu-img info {KEY} {KEY} -f raw {LUN}",
    "qemu-img info -f raw " + LUN.replace('"lun":1', '"lun":1,"filename":"/etc/shadow"'),
    "qemu-img info -f raw " + LUN.replace("iscsi", "file"),
    'qemu-img info -f raw json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}',
    f"rbd export vms/{ID} {I}/x {SIGNED}",
    f"rbd cp vms/{ID}@nightly vms/part.{ID} {SIGNED}",
    f"rbd map vms/{ID} {SIGNED}",
    f"rbd ls vms {SIGNED} --keyfile /root/key",
    f"qemu-img convert -f raw -O raw {I}/a rbd:vms/{ID}:id=zcloud:conf=/etc/ceph/ceph.conf",
    f"qemu-img convert -f raw -O raw {I}/a rbd:vms/{ID}:mon_host=192.0.2.9:conf={I}/p/ceph.conf",
    f"qemu-img resize -f raw rbd:vms/{ID}:id=zcloud:conf={I}/p/ceph.conf 1G",
    f"ceph osd pool delete vms {SIGNED}",
    "lvremove -q -f -- vg0/root",
    "lvextend -q -L +1b -- vg0/zcloud-pool",
    "lvreduce -q -y -f -L 4194304b -- vg0/root",
    "lvextend -q --poolmetadatasize 4194304b -- vg0/zcloud-pool",
    "lvremove -q -f -- vg0",
    "lvremove -q -f -- vg0/zcloud-../root",
    "lvrename -q -- vg0 root zcloud-root",
    "lvcreate -q -y -s -n zcloud-0a -- vg0/root",
    "vgcreate -q -y --addtag zcloud.made=0-a -- vg0 /dev/vdb",
    "vgcreate -q --addtag zcloud.made=0-a -- vg0 /dev/../etc/shadow",
    "blkdiscard -z -o 0 -l 4194304 -- /dev/vg0/root",
    "blkdiscard -z -o 0 -l 4194304 -- /dev/sda",
    "chown 64055:64055 -- /dev/vg0/root",
    "chown 64055:64055 -- /dev/sda",
    f"qemu-img convert -f raw -O raw -- {I}/x /dev/vg0/root",
    f"qemu-img convert -f raw -O raw -- /dev/sda {I}/x",
    "rm -r -f -- /var/lib/libvirt/swtpm",
    "rm -r -f -- /var/lib/libvirt/zcloud-appliance-1/../images",
    f"env LIBGUESTFS_BACKEND=direct LD_PRELOAD=/tmp/x libguestfs-make-fixed-appliance {APPLIANCE}",
    f"env -i PATH=/tmp libguestfs-make-fixed-appliance {APPLIANCE}",
    "rm -r -f -- /var/lib/libvirt/swtpm/5a2e6a4c-7d1f-4c62-9f0e-000000000001/../..",
    f"rm -r -f -- {I}/x",
    "",
    "sh -c true",
    "/bin/true",
    "qemu-img",
    "qemu-img amend x",
    # mounts
    f"mount -t nfs -o vers=4.2,soft,nosuid,nodev -- files.test:/srv/a {M}/x",
    f"mount -t nfs -o vers=4.2,hard,nodev -- files.test:/srv/a {M}/x",
    f"mount -t nfs -o vers=4.2,hard,nosuid,nodev,suid -- files.test:/srv/a {M}/x",
    f"mount -t nfs -o vers=4.2,hard,nosuid,nodev -- files.test:/srv/a {I}/x",
    f"mount -t nfs -o vers=4.2,hard,nosuid,nodev -- files.test:/srv/a {M}",
    f"mount -t nfs -o vers=4.2,hard,nosuid,nodev -- /dev/sda1 {M}/x",
    f"mount -t nfs -- files.test:/srv/a {M}/x",
    f"mount -t glusterfs -- g1.test:/vms {M}/x",
    f"mount -t glusterfs -o {GLUSTER},log-file=/etc/passwd -- g1.test:/vms {M}/x",
    f"mount -t glusterfs -o {GLUSTER} -- /etc/evil.vol {M}/x",
    f"mount -t glusterfs -o {GLUSTER} -- g1.test:/vms {I}/x",
    f"mount -t ext4 -o vers=4.2,hard,nosuid,nodev -- files.test:/srv/a {M}/x",
    f"mount --bind /etc {M}/x",
    f"umount -- {I}",
    "umount -- /",
    "umount -- /srv",
    "umount -- /srv/a/b",
    "mount -- /home",
    "mount -- /srv/../home",
    "mount -o suid -- /srv/fast",
    "mount -a",
    # disks: never against the kernel's word, only our partitions, only our lines of fstab
    "wipefs -a -f -- /dev/sdb",
    "wipefs -a -q -- /dev/../etc/shadow",
    "sfdisk -q --force --wipe always --wipe-partitions always --label gpt -- /dev/sdb",
    "sfdisk --delete /dev/sdb",
    f"mkfs.ext4 -q -m 0 -L zc-00000000 -U {ID} -- /dev/sdb1",
    f"mkfs.ext4 -q -m 0 -F -L zc-00000000 -U {ID} -- /dev/disk/by-partuuid/{ID}",
    f"mkfs.xfs -q -f -L zc-00000000 -m uuid={ID} -- /dev/disk/by-partuuid/{ID}",
    "udevadm trigger",
    "udevadm info -q all -- /dev/sdb",
    "systemctl daemon-reexec",
    "sed -i --follow-symlinks -e d /etc/fstab",
    "sed -i -e p /etc/fstab",
    "-f qemu-img",
    # paths
    f"rm -f -- {I}",
    "rm -f -- /",
    "rm -f -- /etc/passwd",
    f"rm -f -- {I}/../../../../etc/passwd",
    f"rm -f -- {I}/./x",
    f"rm -f -- {I}//x",
    f"rm -f -- {I}/x/",
    f"rm -f -- /{I}/x",
    "rm -f -- images/x",
    f"rm -f -- {I}evil/x",
    f"rm -rf -- {I}/x",
    f"rm -f -- {I}/x {I}/y",
    "cat /etc/shadow",
    "cat /proc/1/environ",
    "cat /proc/meminfo /etc/shadow",
    "cat /sys/class/net/../../x/address",
    "tail -f /var/log/libvirt/x",
    f"find {I} -mindepth 1 -maxdepth 1 -type f -delete",
    f"find {I} / -mindepth 1 -maxdepth 1 -type f -printf %p\\0%s\\0%b\\0",
    # formats are always said, other protocols and options never
    f"qemu-img create {I}/v 1G",
    f"qemu-img convert -O raw {I}/a {I}/b",
    f"qemu-img convert -f vmdk -O raw {I}/a {I}/b",
    "qemu-img info nbd:localhost:10809",
    "qemu-img info json:{}",
    f"qemu-img create -f qcow2 -o backing_file=/etc/shadow {I}/v 1G",
    f"qemu-img create -f qcow2 -o data_file=/etc/x,size=1 {I}/v 1G",
    f"qemu-img info --image-opts {I}/v",
    f"qemu-img info --object=x {I}/v",
    f"qemu-img create -f qcow2 -f raw {I}/v 1G",
    f"qemu-img create -f qcow2 {I}/v 1G 2G",
    "qemu-img create -f",
    f"chmod 4755 {I}/x",
    f"chmod --reference=/etc/shadow {I}/x",
    f"chown $(id) {I}/x",
    f"dd status=none bs=1M conv=fsync,nocreat if=/etc/shadow of={I}/x",
    "dd status=none bs=1M conv=fsync,nocreat of=/dev/sda",
    f"dd status=none bs=1M conv=fsync,nocreat iflag=fullblock,count_bytes if=/etc/shadow of={I}/x",
    f"install -D -m 4755 /dev/null {I}/x",
    f"install -D -m 0600 /etc/shadow {I}/x",
    # network
    "nft list ruleset",
    "nft flush ruleset",
    "nft -f /etc/nftables.conf",
    "nft -j list table inet filter",
    "ip link show",
    "ip -j link set dev eth0 down",
    "ip -j link show dev -batch",
    "ip -n other -j link show",
    "ip -j route add default",
    # the probe: no other kernel, no devices, no sandbox left out
    PROBE.replace(f"-kernel {PROBE_DIRECTORY}/vmlinuz", "-kernel /boot/vmlinuz"),
    PROBE.replace(f"{PROBE_DIRECTORY}/initrd", f"{I}/initrd"),
    PROBE + " -device e1000",
    PROBE + " -drive file=/dev/sda",
    PROBE.replace(SANDBOX, "off"),
    PROBE.replace(f"-sandbox {SANDBOX}", ""),
    PROBE.replace("-monitor none", "-monitor stdio"),
    "systemctl start x",
    "systemctl is-active --help",
    "sysctl -n -a",
    "sysctl -w a=b",
    "id -u root:x",
]


@pytest.mark.parametrize("line", ALLOWED)
def test_what_drivers_use_passes_and_its_paths_are_told(line: str) -> None:
    assert check(line.split()) == ALLOWED[line]


@pytest.mark.parametrize("disk", [f"{I}/x", "/dev/vg0/zcloud-0a", "/dev/vg0/root", "/dev/sda"])
def test_libguestfs_opens_volumes_only(disk: str) -> None:
    source = DiskSource(volume_id="0a", path=disk, format=DiskFormat.RAW)
    argv = guestfs.run_argv(APPLIANCE, Accel.TCG, Identity(64055, 64055), source, f"{I}/script")
    if disk.endswith(("x", "0a")):
        assert f"{I}/script" in check(argv)
        return
    with pytest.raises(CommandForbidden):
        check(argv)


@pytest.mark.parametrize("filesystem", FileSystem)
def test_a_line_of_fstab_is_added_or_taken_out_and_nothing_else(filesystem: FileSystem) -> None:
    add = note_argv(Wish("/srv/fast", filesystem), Marks(ID, ID, ID))
    assert check(add) == check(unnote_argv(ID)) == []
    for old, new in (
        ("/srv/fast", "/etc"), ("nosuid,", ""), ("UUID=", "LABEL="), ("ext4" if "ext4" in add[-2] else "xfs", "nfs"),
        ("0 2", "0 2 w /etc/shadow"), ("$a ", "1e "), ("/srv/fast", "/srv/fast\nUUID=0 /"),
    ):  # fmt: skip
        with pytest.raises(CommandForbidden):
            check([*add[:-2], add[-2].replace(old, new, 1), add[-1]])
    with pytest.raises(CommandForbidden):
        check([*add[:-1], "/etc/passwd"])
    with pytest.raises(CommandForbidden):
        check([*add[:-2], f"/^UUID={ID} /d", "/etc/fstab"])


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_not_in_the_list_is_refused(line: str) -> None:
    with pytest.raises(CommandForbidden):
        check(line.split())


@pytest.mark.parametrize("form", [form for form in FORMS if form.words != "find"], ids=lambda form: form.words)
@pytest.mark.parametrize("word", ["-", "-x", "--help", "-a"])
def test_no_operand_can_be_taken_for_an_option(form: Form, word: str) -> None:
    for kind in form.operands:
        assert not isinstance(kind, Text) or re.fullmatch(kind.pattern, word) is None


@pytest.mark.parametrize("word", ["a\nb", "a\0b", "a\x7f", "x" * 9000])
def test_control_characters_and_endless_words_are_refused(word: str) -> None:
    with pytest.raises(CommandForbidden):
        check(["rm", "-f", "--", f"{I}/{word}"])


def test_too_many_arguments_are_refused() -> None:
    with pytest.raises(CommandForbidden):
        check(["true", *["--"] * 300])


def test_a_configured_root_is_worked_below_and_only_then() -> None:
    argv = ["rm", "-f", "--", "/data/pool/x"]
    with pytest.raises(CommandForbidden):
        check(argv)
    assert check(argv, roots=(*DEFAULT_ROOTS, "/data/pool")) == ["/data/pool/x"]


PLACES = st.builds(
    lambda root, parts: "/".join([root, *parts]),
    st.sampled_from([*DEFAULT_ROOTS, "/etc", "", "/var/lib/zcloudy"]),
    st.lists(st.sampled_from(["..", ".", "", "a", "b c", "-x"]), max_size=4),
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Make a command of the right form, whose paths may be anything."""
    form = draw(st.sampled_from([form for form in FORMS if form.operands]))
    argv = form.words.split()
    for name in form.required:
        argv += [name, _value(draw, form.options[name])]
    return argv + [_value(draw, kind) for kind in form.operands]


def _value(draw: st.DrawFn, kind: Kind) -> str:
    if isinstance(kind, Text):
        return draw(st.from_regex(kind.pattern, fullmatch=True))
    return kind.prefix + draw(PLACES)


@given(command_lines())
@settings(max_examples=500)
def test_no_accepted_command_names_a_path_outside_the_roots(argv: list[str]) -> None:
    try:
        paths = check(argv)
    except CommandForbidden:
        return
    for path in paths:
        real = posixpath.normpath(path)
        assert any(real == root or real.startswith(f"{root}/") for root in DEFAULT_ROOTS)


GOOD_SCRIPTS = [
    "",
    "# a comment; with { and \"quotes\"\nadd table bridge zcloud\n",
    "add element bridge zcloud taps { z0 . 52:54:00:00:00:01 }\ndelete element bridge zcloud taps { z1 . z2 }",
    'table bridge zcloud {\n set s { type ifname; flags interval; elements = { "z0", "z1" } }\n'
    " chain c { type filter hook forward priority 0; policy accept;\n iifname @s drop }\n}\n",
    "flush chain bridge zcloud c; delete table bridge zcloud",
    "add rule inet zcloud input drop",
]  # fmt: skip

BAD_SCRIPTS = [
    "flush ruleset",
    "delete table inet filter",
    "add table bridge zcloud; flush ruleset",
    "add table bridge zcloud\nflush table inet fw",
    "add table bridge zcloud-other",
    "add table bridge zcloud2",
    "list ruleset",
    'include "/etc/shadow"',
    'table bridge zcloud {\n include "/etc/shadow"\n}',
    "define x = 1",
    "add element bridge zcloud s { $x }",
    "add table bridge zcloud {",
    "add table bridge zcloud } flush ruleset {",
    "add table bridge zcloud \\\nflush ruleset",
    "add rule bridge zcloud c log prefix \"a\nflush ruleset\n\"",
    "add table bridge zcloud é",
    "table inet filter { chain input { policy drop; } }",
    "list chain inet filter input",
    "list ruleset",
]  # fmt: skip


@pytest.mark.parametrize("script", [*GOOD_SCRIPTS, guard_rules.RULES, guard_rules.LOOK, guard_rules.REMOVAL])
def test_scripts_about_our_tables_pass(script: str) -> None:
    check_script(script.encode())
    assert takes_script(["nft", "-f", "-"])
    assert reads_input(["nft", "-f", "-"])
    assert check(["nft", "-f", "-"], stdin=script.encode()) == []


@pytest.mark.parametrize("script", BAD_SCRIPTS)
def test_scripts_about_anything_else_are_refused(script: str) -> None:
    with pytest.raises(CommandForbidden):
        check(["nft", "-f", "-"], stdin=script.encode())
