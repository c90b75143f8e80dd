"""The closed list of commands that zcloud may run on a host, as data, and the check against it.

Every command is an argument vector that matches one ``Form`` below; whatever is not described is refused. The same
check runs before a local command, before an SSH command, and once more inside the root helper. A later command is
one more line here with its cases in ``tests/unit/hosts/test_commands.py``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from zcloud.domain import hostdisk
from zcloud.domain.errors import CommandForbidden
from zcloud.domain.storage import MOUNTS
from zcloud.hosts.diskforms import DISK, DISK_FORMS
from zcloud.hosts.forms import Form, Kind, Kinds, Path, Text, flags
from zcloud.hosts.nftscript import check_script

DEFAULT_ROOTS = ("/var/lib/libvirt/images", "/var/lib/libvirt/dnsmasq", "/var/lib/zcloud", "/var/log/libvirt", "/srv")
"""Paths below which commands may work; pools' own paths are added by the configuration (``hosts.roots``)."""

PROBE_DIRECTORY = "/var/lib/zcloud/probe"
"""Where the KVM probe's kernel and initramfs lie on a host."""

TPM_DIRECTORY = "/var/lib/libvirt/swtpm"
"""Where libvirt keeps the state of guests' TPMs, by the domain's uuid."""

APPLIANCE = r"/var/lib/libvirt/zcloud-appliance-[0-9.]{3,19}(\.part)?"
"""Where libguestfs' appliance of a version lies on a host, and where it is made."""

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MAX_ARGUMENTS = 256
_MAX_ARGUMENT = 8192
_CEPH_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_RBD_NAME = rf"{_CEPH_NAME}/((part\.)?({_UUID}|base\.[0-9a-f]{{64}})|pool\.{_UUID})"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_FACTS = re.compile(
    r"/proc/(cpuinfo|meminfo|loadavg|uptime|stat|modules|mounts|version|cmdline|pressure/(cpu|memory|io))"
    r"|/proc/sys/kernel/random/boot_id"
    r"|/sys/module/kvm(_intel|_amd)?/parameters/[a-z0-9_]+"
    r"|/sys/class/net/[A-Za-z0-9_.-]{1,15}/(address|mtu|operstate|speed|carrier|bridge/[a-z_]+|brport/[a-z_]+)"
    r"|/sys/kernel/mm/(ksm|transparent_hugepage)/[a-z_]+"
    r"|/etc/os-release|/etc/machine-id|/etc/fstab"
)


UUID = Text(_UUID)
FILE = Path()
PLACE = Path(place=True)
READABLE = Path(facts=True)
NUMBER = Text(r"[0-9]{1,19}")
SIZE = Text(r"[0-9]{1,19}[KMGT]?")
MODE = Text(r"0?[0-7]{3}")
OWNER = Text(r"[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10}")
OWNERS = Text(r"([a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})?(:([a-z_][a-z0-9_-]{0,31}|[0-9]{1,10}))?")
DEVICE = Text(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
FORMAT = Text(r"raw|qcow2")
IMAGE_OPTION = r"(preallocation|cluster_size|lazy_refcounts|compat|extended_l2|nocow|compression_type)=[a-z0-9.]{1,16}"
IMAGE_OPTIONS = Text(rf"{IMAGE_OPTION}(,{IMAGE_OPTION})*")
STAT_FORMAT = Text(r"[%A-Za-z0-9 ]{1,60}")
DIRECTORY = Text(r"/|(/[^/]{1,255}){1,32}")
ADDRESS = Text(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
MAC = Text(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

_MOUNT_OPTION = (
    r"vers=4\.[0-2]|hard|retry=0|nosuid|nodev|noexec|lookupcache=positive|noatime|nordirplus"
    r"|(rsize|wsize|timeo|retrans|nconnect|port|acregmin|acregmax|acdirmin|acdirmax)=[0-9]{1,9}"
    r"|sec=(sys|krb5|krb5i|krb5p)|proto=(tcp|tcp6|rdma)"
)
MOUNT_OPTIONS = Text(rf"(?=.*\bhard\b)(?=.*\bnosuid\b)(?=.*\bnodev\b)({_MOUNT_OPTION})(,({_MOUNT_OPTION}))*")
NFS_SOURCE = Text(r"([A-Za-z0-9][A-Za-z0-9.-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\]):/[A-Za-z0-9._+@/-]{0,1024}")
_SERVER = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}"
GLUSTER_OPTIONS = Text(rf"nosuid,nodev,noexec,log-level=WARNING(,backup-volfile-servers={_SERVER}(:{_SERVER}){{0,7}})?")
GLUSTER_SOURCE = Text(rf"{_SERVER}:/[A-Za-z0-9_-]{{1,100}}")
_GROUP, _LOGICAL = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,29}", r"zcloud-[a-z0-9][a-z0-9.-]{0,99}"
GROUP, LOGICAL, IN_GROUP = Text(_GROUP), Text(_LOGICAL), Text(f"{_GROUP}/{_LOGICAL}")
LOGICAL_DEVICE = rf"/dev/{_GROUP}/{_LOGICAL}"
_IQN = r"iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]{1,100}(:[A-Za-z0-9.:_-]{1,100})?"
_LUN = (
    r'json:\{"driver":"raw",("offset":[0-9]{1,19},"size":[0-9]{1,19},)?"file":\{"driver":"iscsi","transport":"tcp",'
    r'"portal":"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}",'
    rf'"target":"{_IQN}","lun":[0-9]{{1,3}},"timeout":20,"initiator-name":"{_IQN}"'
    rf'(,"user":"[A-Za-z0-9._:@-]{{1,128}}","password-secret":"key-{_UUID}")?\}}\}}'
)
_ZEROS = r'json:\{"driver":"raw","file":\{"driver":"null-co","size":[0-9]{1,19},"read-zeroes":true\}\}'
# qemu-img reads and writes images in a Ceph cluster, logical volumes of ours and iSCSI LUNs, too.
IMAGE = Path(before=rf"rbd:{_RBD_NAME}:id={_CEPH_NAME}:conf=", besides=f"{LOGICAL_DEVICE}|{_LUN}|{_ZEROS}")
KEYS: Kinds = {"--object": Text(rf"secret,id=key-{_UUID},file=/var/lib/libvirt/images/zcloud-{_UUID}/chap")}
VOLUME = Path(besides=LOGICAL_DEVICE)
LVM_SIZE = Text(r"[0-9]{1,19}b")
TAG = Text(r"zcloud\.[a-z]{1,12}=[a-z0-9-]{1,64}")
_REPORT = "--reportformat json --units b --nosuffix -o"
_LVCREATE: Kinds = {
    "-n": LOGICAL, "-L": LVM_SIZE, "-l": Text("100%ORIGIN"), "-V": LVM_SIZE, "-k": Text("n"), "-Z": Text("y"),
    "--type": Text("thin|thin-pool"), "--thinpool": LOGICAL, "--poolmetadatasize": LVM_SIZE,
    "--discards": Text("passdown"),
}  # fmt: skip
BACKEND = Text("LIBGUESTFS_BACKEND_SETTINGS=(force_tcg)?")

_SAVE: Kinds = {"-m": MODE, "-o": OWNER, "-g": OWNER}
_LINK: Kinds = {"dev": DEVICE, "type": Text("[a-z]{1,15}"), "master": DEVICE}
_CREATE: Kinds = {"-f": FORMAT, "-b": FILE, "-F": FORMAT, "-o": IMAGE_OPTIONS}
_CONVERT: Kinds = {
    "-f": FORMAT, "-O": FORMAT, "-o": IMAGE_OPTIONS, "-B": FILE, "-F": FORMAT, "-S": SIZE, "-m": NUMBER,
    "-t": Text("none|writeback|directsync"), "-T": Text("none|writeback|directsync"), **KEYS,
}  # fmt: skip
_SIGNED = ("--conf", "--id")
_CEPH: Kinds = {
    "--conf": FILE, "--id": Text(_CEPH_NAME), "--format": Text("json"), "--size": Text("[0-9]{1,19}B"),
    "--connect-timeout": NUMBER,
}  # fmt: skip
_RBD_IMAGE, _RBD_POOL = Text(_RBD_NAME), Text(_CEPH_NAME)
_RBD_SNAP = Text(rf"{_RBD_NAME}@({_UUID}|base|sealed)")
_RBD_COPIED = Text(rf"{_RBD_NAME}(@{_UUID})?")
_RBD: tuple[tuple[str, tuple[Kind, ...], tuple[str, ...]], ...] = (
    ("ls", (_RBD_POOL,), ()), ("du --pool", (_RBD_POOL,), ()), ("info", (_RBD_IMAGE,), ()),
    ("create", (_RBD_IMAGE,), ("--size",)), ("resize", (_RBD_IMAGE,), ("--size",)),
    ("clone", (_RBD_SNAP, _RBD_IMAGE), ()),
    ("rename", (_RBD_IMAGE, _RBD_IMAGE), ()), ("cp", (_RBD_COPIED, _RBD_IMAGE), ()),
    ("deep cp", (_RBD_COPIED, _RBD_IMAGE), ()), ("snap create", (_RBD_SNAP,), ()), ("snap rm", (_RBD_SNAP,), ()),
    ("snap rollback", (_RBD_SNAP,), ()), ("snap purge", (_RBD_IMAGE,), ()),
    ("trash mv", (_RBD_IMAGE,), ()), ("trash ls", (_RBD_POOL,), ()),
    ("trash rm", (Text(rf"{_CEPH_NAME}/[0-9a-f]{{1,32}}"),), ()),
)  # fmt: skip
_PROBE: Kinds = {
    "-accel": Text("kvm|tcg"),
    "-machine": Text("q35|pc|microvm"),
    "-cpu": Text("host|max"),
    "-m": Text("[0-9]{2,3}"),
    "-smp": Text("1"),
    "-kernel": Path(within=PROBE_DIRECTORY),
    "-initrd": Path(within=PROBE_DIRECTORY),
    "-append": Text(r"[A-Za-z0-9_=., -]{0,200}"),
    "-sandbox": Text("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    "-serial": Text("stdio"),
    "-monitor": Text("none"),
    "-display": Text("none"),
    "-vga": Text("none"),
}

FORMS: tuple[Form, ...] = (
    # Disk images. The format is always said, so that no image is probed (CVE-2024-32498 began with a probe).
    Form("qemu-img create", flags("-q"), _CREATE, (FILE, SIZE), 1, ("-f",)),
    Form("qemu-img info", flags("-U", "--output=json", "--backing-chain"), {"-f": FORMAT, **KEYS}, (IMAGE,)),
    Form("qemu-img convert", flags("-q", "-n", "-U", "-W", "-c", "--target-is-zero"), _CONVERT,
         (IMAGE, IMAGE), 0, ("-f", "-O"), again=flags(*KEYS)),
    Form("qemu-img compare", flags("-q"), {"-f": FORMAT, "-F": FORMAT, **KEYS}, (IMAGE, IMAGE), 0, ("-f", "-F"),
         again=flags(*KEYS)),
    Form("qemu-img resize", flags("-q", "--shrink"), {"-f": FORMAT}, (FILE, SIZE), 0, ("-f",)),
    Form("qemu-img snapshot", flags("-q", "--image-opts"), {"-c": UUID, "-a": UUID, "-d": UUID},
         (Path(prefix="driver=qcow2,file.filename="),)),
    Form("qemu-img check", flags("-q", "-U", "--output=json"), {"-f": FORMAT}, (FILE,), 0, ("-f",)),
    Form("qemu-img measure", flags("-U", "--output=json"), {"-f": FORMAT, "-O": FORMAT, "--size": SIZE}, (FILE,), 1),
    # Ceph: images of the names that the RBD driver makes; who signs in is in the configuration's keyring, never here.
    *(Form(f"rbd {verb}", flags("--no-progress"), _CEPH, operands, 0, (*_SIGNED, *needed))
      for verb, operands, needed in _RBD),
    Form("ceph df", flags(), _CEPH, (), 0, _SIGNED),
    Form("ceph health", flags(), _CEPH, (), 0, _SIGNED),
    # Files. ``install`` of /dev/null makes an empty file with its owner and mode, ``dd`` fills it from standard input.
    Form("install -d", flags(), _SAVE, (PLACE,)),
    Form("install -D", flags(), _SAVE, (Text("/dev/null"), FILE), 0, ("-m",)),
    # ``count`` ends it before its input does: what is read after a file tells that all of it has arrived.
    Form("dd status=none bs=1M conv=fsync,nocreat", operands=(Path(prefix="of="),), fed=True),
    Form("dd status=none bs=1M conv=fsync,nocreat iflag=fullblock,count_bytes",
         operands=(Text("count=[0-9]{1,10}"), Path(prefix="of=")), fed=True),
    Form("mkdir", flags("-p"), {"-m": MODE}, (PLACE,)),
    Form("rmdir", operands=(FILE,)),
    Form("rm", flags("-f"), operands=(FILE,)),
    Form("mv", flags("-f", "-n", "-T"), operands=(FILE, FILE)),
    Form("cp", flags("-T", "-f", "-p", "--reflink=auto", "--sparse=auto", "--sparse=always"), operands=(FILE, FILE)),
    Form("chown", flags("-h"), operands=(OWNERS, VOLUME)),
    Form("chmod", operands=(MODE, FILE)),
    Form("truncate", flags("-c"), {"-s": SIZE}, (FILE,), 0, ("-s",)),
    Form("sync", flags("-d", "-f"), operands=(PLACE,)),
    Form("cat", operands=(READABLE,)),
    Form("head", options={"-c": NUMBER}, operands=(READABLE,)),
    Form("tail", options={"-c": NUMBER}, operands=(READABLE,)),
    Form("stat", flags("-f"), {"-c": STAT_FORMAT}, (PLACE,), 0, ("-c",)),
    Form("stat -L -c %a:%u:%g", operands=(DIRECTORY,)),  # of a pool's parents: may QEMU's user pass?
    Form("realpath -m", operands=(PLACE,)),
    Form("ls -A1", operands=(PLACE,)),
    Form("df", flags("-B1", "--output=size,used,avail,target,fstype"), operands=(PLACE,)),
    Form("du", flags("-s", "-x", "-B1", "--apparent-size"), operands=(PLACE,)),
    Form("find", operands=(PLACE, *(Text(re.escape(w)) for w in
         ("-mindepth", "1", "-maxdepth", "1", "-type", "f", "-printf", r"%p\0%s\0%b\0")))),
    Form("sha256sum", operands=(FILE,)),
    # Shared file systems, each mounted at a place of ours.
    Form("mount -t nfs", options={"-o": MOUNT_OPTIONS}, operands=(NFS_SOURCE, Path(within=MOUNTS)), required=("-o",)),
    Form("mount -t glusterfs", options={"-o": GLUSTER_OPTIONS}, operands=(GLUSTER_SOURCE, Path(within=MOUNTS)),
         required=("-o",)),
    Form("umount", operands=(Path(within=MOUNTS, besides=hostdisk.PLACE),)),
    *DISK_FORMS,
    # Logical volumes: looking at a group, and what is named after us in it.
    Form(f"vgs {_REPORT} vg_size,vg_free,vg_extent_size,vg_tags", operands=(GROUP,)),
    Form(f"lvs {_REPORT} "
         "lv_name,lv_size,lv_attr,lv_tags,pool_lv,data_percent,metadata_percent,lv_metadata_size", operands=(GROUP,)),
    Form("vgcreate -q", flags(), {"--addtag": TAG}, (GROUP, *(DISK,) * 32), 31, ("--addtag",)),
    Form("vgchange -q", options={"--addtag": TAG, "--deltag": TAG}, operands=(GROUP,)),
    Form("vgremove -q", operands=(GROUP,)),
    Form("pvremove -q", operands=(DISK,)),
    Form("lvcreate -q -y", flags("-s"), _LVCREATE, (Text(f"{_GROUP}(/{_LOGICAL})?"),), 0, ("-n",)),
    Form("lvrename -q", operands=(GROUP, LOGICAL, LOGICAL)),
    Form("lvremove -q -f", operands=(IN_GROUP,)),
    Form("lvextend -q", flags(), {"-L": LVM_SIZE, "--poolmetadatasize": LVM_SIZE}, (IN_GROUP,), 0, ("-L",)),
    Form("lvreduce -q -y -f", flags(), {"-L": LVM_SIZE}, (IN_GROUP,), 0, ("-L",)),
    Form("lvchange -q", flags(), {"-p": Text("r|rw"), "--errorwhenfull": Text("y"), "--addtag": TAG, "--deltag": TAG},
         (IN_GROUP,)),
    Form("thin_check -V"),
    Form("blkdiscard -z", flags(), {"-o": NUMBER, "-l": NUMBER}, (Text(LOGICAL_DEVICE),), 0, ("-o", "-l")),
    # A script of ours within the system on a disk that nobody runs, by libguestfs as the user that runs guests.
    Form("guestfish --version"),
    Form("stat -c %F", operands=(Text(APPLIANCE),)),
    Form("rm -r -f", operands=(Text(rf"{APPLIANCE}|{TPM_DIRECTORY}/{_UUID}"),)),  # or a TPM that libvirt left
    Form("mv -T -n", operands=(Text(APPLIANCE), Text(APPLIANCE))),
    Form("env LIBGUESTFS_BACKEND=direct", operands=(BACKEND, Text("libguestfs-make-fixed-appliance"), Text(APPLIANCE))),
    Form("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 LIBGUESTFS_BACKEND=direct",
         flags("--init-groups", "--no-new-privs", "--rw", "-i", "--format=raw", "--format=qcow2"), {"-a": VOLUME},
         (BACKEND, Text(f"LIBGUESTFS_PATH={APPLIANCE}"), Text("setpriv"), Text("--reuid=[0-9]{1,10}"),
          Text("--regid=[0-9]{1,10}"), Text("guestfish"), Text("upload"), FILE, *map(Text, (
          "/.zcloud-offline", ":", "sh", "sh /.zcloud-offline", ":", "rm", "/.zcloud-offline"))), 0, ("-a",)),
    # Network: our own nftables table, and looking.
    Form("nft -f -", script=True),
    Form("nft -c -f -", script=True),
    Form("nft -j list table bridge zcloud"),
    Form("nft -j list set bridge zcloud", operands=(Text("[a-z][a-z0-9_]{0,30}"),)),
    Form("nft -j list chain bridge zcloud", operands=(Text("[a-z][a-z0-9_]{0,30}"),)),
    Form("ip -j link show", flags("up"), _LINK),
    Form("ip -j -d link show", flags("up"), _LINK),
    Form("ip -j addr show", flags("up"), _LINK),
    Form("ip -j route show", options={"dev": DEVICE, "table": Text("main|all")}),
    # Only on a NAT network's own bridge: an LLDP frame with a stolen source must not move its owner's traffic.
    Form("ip link set dev", operands=(Text("zbr-[0-9a-f]{8}"),
         *map(Text, ("type", "bridge", "no_linklocal_learn", "1")))),
    Form("ip -j -s neigh show", options={"dev": DEVICE}),
    Form("bridge -j link show", options={"dev": DEVICE}),
    # A lease of a port that is gone; without it dnsmasq keeps the address from the next one. No operand: is it there?
    Form("dhcp_release", operands=(DEVICE, ADDRESS, MAC), optional=3),
    # The KVM probe: our own kernel, no devices, no disk, no network, in QEMU's sandbox.
    Form(
        "qemu-system-x86_64",
        flags("-nodefaults", "-nographic", "-no-reboot", "-no-user-config"),
        _PROBE,
        required=("-accel", "-sandbox", "-kernel", "-initrd"),
    ),
    # Facts.
    Form("qemu-system-x86_64 --version"),
    Form("qemu-img --version"),
    Form("rbd --version"),
    Form("systemctl is-active", operands=(Text(r"[A-Za-z0-9_][A-Za-z0-9@_.-]{0,79}"),)),
    Form("sysctl -n", operands=(Text(r"[a-z0-9_][a-zA-Z0-9_./-]{1,120}"),)),
    Form("uname", flags("-r", "-m", "-s", "-n")),
    Form("lscpu", flags("-J")),
    Form("id", flags("-u", "-g"), operands=(OWNER,), optional=1),
    Form("true"),
)  # fmt: skip


def check(argv: Sequence[str], *, stdin: bytes = b"", roots: Sequence[str] = DEFAULT_ROOTS) -> list[str]:
    """Check a command against the list and give the paths under ``roots`` that it names.

    A caller with the file system at hand resolves these paths, so that no symbolic link leads out. ``stdin`` is
    looked at only for nft scripts. Raises CommandForbidden.
    """
    if not argv or len(argv) > _MAX_ARGUMENTS or any(_is_hostile(word) for word in argv):
        raise CommandForbidden("The command is empty, too long, or holds control characters.")
    form = _find_form(argv)
    if form.script:
        check_script(stdin)
    words = iter(argv[len(form.words.split()) :])
    return [path for path in _match(form, words, roots) if path]


def takes_script(argv: Sequence[str]) -> bool:
    """Tell whether the command's standard input has to be there for ``check``."""
    return bool(argv) and _find_form(argv).script


def reads_input(argv: Sequence[str]) -> bool:
    """Tell whether a command of the list reads its standard input."""
    form = _find_form(argv)
    return form.script or form.fed


def _is_hostile(word: str) -> bool:
    return len(word) > _MAX_ARGUMENT or _UNPRINTABLE.search(word) is not None


def _find_form(argv: Sequence[str]) -> Form:
    """Give the form with the longest fixed beginning."""
    fitting = [form for form in FORMS if tuple(argv[: len(form.words.split())]) == tuple(form.words.split())]
    if not fitting:
        raise CommandForbidden(f"The command {' '.join(argv[:2])[:80]!r} is not in the list.", program=argv[0][:80])
    return max(fitting, key=lambda form: len(form.words.split()))


def _match(form: Form, words: Iterator[str], roots: Sequence[str]) -> Iterator[str]:
    """Walk through the arguments and give each path; raises CommandForbidden at the first that does not fit."""
    operands = list(form.operands)
    seen: set[str] = set()
    plain = False
    for word in words:
        if word == "--" and not plain:
            plain = True
        elif not plain and word in form.flags:
            seen.add(word)
        elif not plain and word in form.options and (word in form.again or word not in seen):
            seen.add(word)
            yield _take(form, form.options[word], next(words, ""), roots)
        elif operands:
            yield _take(form, operands.pop(0), word, roots)
        else:
            raise _forbidden(form, word)
    missing = [name for name in form.required if name not in seen]
    if missing or len(operands) > form.optional:
        raise CommandForbidden(f"{form.words}: {', '.join(missing) or 'an operand'} is missing.", program=form.words)


def _take(form: Form, kind: Kind, value: str, roots: Sequence[str]) -> str:
    """Check one value; gives the path for a path below the roots, else nothing."""
    if isinstance(kind, Text):
        if re.fullmatch(kind.pattern, value) is None:
            raise _forbidden(form, value)
        return ""
    if kind.besides and re.fullmatch(kind.besides, value):
        return ""
    path = value.removeprefix(kind.prefix) if value.startswith(kind.prefix) else ""
    path = path[before.end() :] if (before := re.match(kind.before, path)) else path
    if kind.facts and _FACTS.fullmatch(path):
        return ""
    if not is_below(path, [kind.within] if kind.within else roots, or_same=kind.place):
        raise _forbidden(form, value)
    return path


def is_below(path: str, roots: Sequence[str], *, or_same: bool = False) -> bool:
    """Tell whether an absolute, normalised path lies below one of the roots (or is one, with ``or_same``)."""
    if not path.startswith("/") or posixpath.normpath(path) != path or path.startswith("//"):
        return False
    return any(path.startswith(root.rstrip("/") + "/") or (or_same and path == root) for root in roots)


def _forbidden(form: Form, value: str) -> CommandForbidden:
    return CommandForbidden(f"{form.words}: the argument {value[:80]!r} is not allowed here.", program=form.words)
