"""From the fields of the launch page to what is asked for, and from that to the command and the call that ask the same.

Pure: the page, the command line and the API are three ways to say one ``InstanceSpec``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from zcloud.domain.errors import InvalidInput
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, NicRequest, OnBoot
from zcloud.domain.storage import GIB, KIB, MIB, TIB
from zcloud.web.fields import Fields, check_line, parse_gib

MAX_COUNT = 20
FILE_SYSTEMS = ("", "ext4", "xfs", "btrfs")
NIC_FIELDS, DISK_FIELDS = ("nic_network", "nic_address"), ("disk_size", "disk_pool", "disk_fs", "disk_mount")
USER_DATA_FILE, KEY_FILE, ANSWERS_FILE = "user-data.yaml", "key.pub", "answers.cfg"
INSTALL = "install"
"""The field ``source`` of a page that asks for an installation; any other: an image is booted."""

_UNITS = ((TIB, "T"), (GIB, "G"), (MIB, "M"), (KIB, "K"))
_MAX_KEY = 8192
_ONE_NIC = (NicRequest(""),)
_ANY_CD = InstallRequest("")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a launch page asks for: one instance, or several that differ by their names."""

    project: str
    names: tuple[str, ...]
    spec: InstanceSpec  # of the first

    def each(self) -> tuple[InstanceSpec, ...]:
        """Give what is asked for each."""
        return tuple(replace(self.spec, name=name) for name in self.names)


@dataclass(frozen=True, slots=True)
class Same:
    """The command and the body of ``POST /v1/instances`` that ask for the same."""

    command: str
    body: str


def read_wish(given: Fields) -> Wish:
    """Read a launch page; raises InvalidInput naming the field."""
    names = _names(given)
    spec = InstanceSpec(
        name=names[0],
        **(_installed(given) if given.one("source") == INSTALL else _booted(given)),
        **_size(given),
        root_size=given.size("root"),
        pool=given.line("pool"),
        firmware=_firmware(given),
        nics=_nics(given, len(names)),
        disks=_disks(given),
        tags=given.words("tags"),
        host=given.line("host"),
        protected=given.on("protected"),
        on_boot=_on_boot(given),
        headless=given.on("headless"),
    )
    return Wish(given.line("project"), names, spec)


def _booted(given: Fields) -> dict[str, Any]:
    return {
        "image": given.line("image"),
        "ssh_keys": _keys(given),
        "user_data": given.one("user_data").replace("\r\n", "\n"),
        "start": not given.on("stopped"),
        "guest": _guest(given),
        "password": given.line("password"),
    }


def _installed(given: Fields) -> dict[str, Any]:
    """Give what of a page counts where a system is installed: its answers have the rest."""
    tree = given.line("tree")
    install = InstallRequest(
        media="" if tree else given.line("media"),
        tree=tree,
        kernel_checksum=given.line("kernel_checksum"),
        initrd_checksum=given.line("initrd_checksum"),
        cmdline=given.one("cmdline"),
        kernel=given.line("kernel"),
        initrd=given.line("initrd"),
        within_s=given.number("within") * 3600 if given.one("within") else _ANY_CD.within_s,
    )
    return {"image": "", "install": install, "answers": given.one("answers").replace("\r\n", "\n")}


def same(wish: Wish) -> Same:
    """Give what asks for the same on the command line and of the API; what is as it is anyway is left out."""
    body = _body(wish)
    words = [f"zcloud launch {shlex.quote(wish.spec.name)}", *_options(wish)]
    if len(wish.names) > 1:
        words[0] = 'zcloud launch "$name"'
        words = [f"for name in {' '.join(wish.names)}; do", *words]
        command = " \\\n  ".join(words[1:])
        return Same(f"{words[0]}\n{command}\ndone", as_json(body))
    return Same(" \\\n  ".join(words), as_json(body))


def _names(given: Fields) -> tuple[str, ...]:
    name, count = given.one("name"), given.number("count") or 1
    if count > MAX_COUNT:
        raise InvalidInput(f"At most {MAX_COUNT} instances are launched at once.", field="count")
    return (name,) if count == 1 else tuple(f"{name}-{number}" for number in range(1, count + 1))


def _size(given: Fields) -> dict[str, Any]:
    growth = {"max_vcpus": given.number("max_vcpus"), "max_memory_mib": given.size("max_memory") // MIB}
    if flavor := given.line("flavor"):
        return {"flavor": flavor, **growth}
    return {"vcpus": given.number("vcpus"), "memory_mib": given.size("memory") // MIB, **growth}


def _nics(given: Fields, count: int) -> tuple[NicRequest, ...]:
    nics = tuple(
        NicRequest(check_line(network, "nic_network"), check_line(address, "nic_address"))
        for network, address in given.rows(*NIC_FIELDS)
    )
    if count > 1 and any(nic.address for nic in nics):
        raise InvalidInput(
            "An address belongs to one instance, and several are asked for.",
            hint="Leave the address empty, so that each gets the next free one.",
            field="nic_address",
        )
    return nics or _ONE_NIC


def _disks(given: Fields) -> tuple[DiskRequest, ...]:
    return tuple(_disk(*row) for row in given.rows(*DISK_FIELDS) if row[0])


def _disk(size: str, pool: str, filesystem: str, mount: str) -> DiskRequest:
    if filesystem not in FILE_SYSTEMS:
        raise InvalidInput(f"There is no file system {filesystem[:20]!r} to choose.", field="disk_fs")
    mount = check_line(mount, "disk_mount")
    return DiskRequest(
        parse_gib(size, "disk_size"),
        check_line(pool, "disk_pool"),
        filesystem=filesystem or ("ext4" if mount else ""),
        mount=mount,
    )


def _keys(given: Fields) -> tuple[str, ...]:
    own = " ".join(given.one("own_key").split())
    if "PRIVATE KEY" in own:
        raise InvalidInput("This is a private key, which should never leave your machine.",
                           hint="Paste its public half, the line of the .pub file.", field="own_key")  # fmt: skip
    if own and (len(own) > _MAX_KEY or len(own.split()) < 2 or not own.isprintable()):
        raise InvalidInput("This is not the line of a public key.", hint="It is like: ssh-ed25519 AAAA… name.",
                           field="own_key")  # fmt: skip
    return (*(check_line(each, "key") for each in given.all("key") if each), *([own] if own else []))


def _on_boot(given: Fields) -> OnBoot:
    wanted = given.one("on_boot") or OnBoot.LAST
    if wanted not in list(OnBoot):
        raise InvalidInput(f"There is no such choice as {wanted[:20]!r}.", field="on_boot")
    return OnBoot(wanted)


def _firmware(given: Fields) -> Firmware | None:
    wanted = given.one("firmware")
    if wanted and wanted not in list(Firmware):
        raise InvalidInput(f"There is no firmware {wanted[:20]!r}.", field="firmware")
    return Firmware(wanted) if wanted else None


def _guest(given: Fields) -> dict[str, Any]:
    packages = given.words("packages")
    guest = {
        "packages": packages, "package_upgrade": given.on("upgrade"), "timezone": given.line("timezone"),
        "offline": given.on("offline"),
    }  # fmt: skip
    return {name: value for name, value in guest.items() if value}


def _body(wish: Wish) -> dict[str, Any]:
    plain = InstanceSpec("", "", nics=_ONE_NIC)
    said = {each.name: getattr(wish.spec, each.name) for each in fields(InstanceSpec)}
    body = {name: _plain(value) for name, value in said.items() if value != getattr(plain, name)}
    return body | ({"project": wish.project} if wish.project else {})


def _plain(value: Any) -> Any:
    if isinstance(value, NicRequest):
        return {name: each for name, each in asdict(value).items() if each}
    if isinstance(value, DiskRequest):
        kept = ("size", "pool", "filesystem", "mount")
        return {name: getattr(value, name) for name in kept if getattr(value, name)}
    if isinstance(value, InstallRequest):
        return {name: each for name, each in asdict(value).items() if each and each != getattr(_ANY_CD, name)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def as_json(body: Mapping[str, Any]) -> str:
    """Give a request's body, a line a field; a password is left out."""
    hidden = {**body, "password": "…"} if "password" in body else body
    lines = (f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in hidden.items())
    return "{" + ",\n".join(lines).lstrip() + "}"


def _options(wish: Wish) -> list[str]:
    spec, guest = wish.spec, wish.spec.guest
    texts = {
        "project": wish.project, "image": spec.image, "flavor": spec.flavor, "vcpus": spec.vcpus,
        "memory": amount(spec.memory_mib * MIB), "max-vcpus": spec.max_vcpus,
        "max-memory": amount(spec.max_memory_mib * MIB), "disk-size": amount(spec.root_size), "pool": spec.pool,
        "network": [nic_text(each) for each in spec.nics] if spec.nics != _ONE_NIC else [],
        "disk": [_disk_text(each) for each in spec.disks],
        "key": [KEY_FILE if " " in each else each for each in spec.ssh_keys],
        "user-data": USER_DATA_FILE if spec.user_data else "", "package": list(guest.get("packages", ())),
        "timezone": guest.get("timezone", ""), "tag": list(spec.tags), "host": spec.host,
        "firmware": spec.firmware or "",
        "on-boot": spec.on_boot.value if spec.on_boot is not OnBoot.LAST else "",
        **_install_options(spec),
    }  # fmt: skip
    flags = {
        "package-upgrade": guest.get("package_upgrade"), "headless": spec.headless, "protect": spec.protected,
        "no-start": not spec.start, "password-stdin": spec.password, "offline": guest.get("offline"),
    }  # fmt: skip
    said = [
        f"--{name} {shlex.quote(str(each))}"
        for name, value in texts.items()
        for each in (value if isinstance(value, list) else [value])
        if each
    ]
    return said + [f"--{name}" for name, on in flags.items() if on]


def _install_options(spec: InstanceSpec) -> dict[str, str]:
    install = spec.install
    if install is None:
        return {}
    return {
        "install": install.media, "answers": ANSWERS_FILE if spec.answers else "", "cmdline": install.cmdline,
        "install-tree": install.tree, "kernel": install.kernel, "initrd": install.initrd,
        "kernel-checksum": install.kernel_checksum, "initrd-checksum": install.initrd_checksum,
        "install-within": "" if install.within_s == _ANY_CD.within_s else f"{install.within_s // 3600}h",
    }  # fmt: skip


def nic_text(nic: NicRequest) -> str:
    """Give an interface as the command line takes it."""
    return f"{nic.network or 'default'},address={nic.address}" if nic.address else nic.network or "default"


def _disk_text(disk: DiskRequest) -> str:
    more = {"pool": disk.pool, "mount": disk.mount, "fs": disk.filesystem}
    return ",".join([amount(disk.size), *(f"{name}={value}" for name, value in more.items() if value)])


def amount(size: int) -> str:
    """Give bytes as the command line takes them, like ``4G``; nothing for 0."""
    if not size:
        return ""
    return next(f"{size // unit}{name}" for unit, name in _UNITS if not size % unit)
