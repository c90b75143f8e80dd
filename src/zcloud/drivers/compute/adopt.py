"""What a domain that zcloud did not design is made of, and what of it no record can hold. Pure: XML in, words out.

What is not known here is named, never guessed: the domain stays as it is either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zcloud.domain.errors import InvalidXml
from zcloud.domain.foreign import Adoption, ForeignDisk, ForeignNic
from zcloud.domain.instance import Firmware
from zcloud.libvirtxml.device import Graphics
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface
from zcloud.libvirtxml.parser import part_names

Joins = Mapping[tuple[str, str], tuple[str, str]]
"""By what a NIC names (``network`` or ``bridge``, and which): the id and the name of the zcloud network that it is."""

MAX_TOLD = 50
_LONGEST = 300
_MIB = 1 << 20
_PLAIN_DEVICES = frozenset(
    {
        "emulator", "disk", "interface", "graphics", "controller", "input", "video", "memballoon", "rng", "watchdog",
        "panic", "serial", "console", "channel", "sound", "audio", "hub", "parallel",
    }
)  # fmt: skip
_PLAIN_PARTS = frozenset(
    {
        "name", "uuid", "genid", "title", "description", "metadata", "vcpu", "vcpus", "memory", "currentMemory",
        "maxMemory", "os", "features", "cpu", "clock", "on_poweroff", "on_reboot", "on_crash", "on_lockfailure", "pm",
        "iothreads", "resource", "seclabel", "devices", "sysinfo", "perf", "idmap",
    }
)  # fmt: skip
_WORDS: Mapping[str, str] = {
    "hostdev": "A device of the host is passed through; zcloud does not keep others from it.",
    "filesystem": "A directory of the host is shared with the guest; zcloud does not look after it.",
    "tpm": "It has a TPM; its state stays where libvirt keeps it.",
    "memory": "It has memory modules; they are not counted.",
    "shmem": "It shares memory with other guests.",
    "redirdev": "USB devices can be redirected to it.",
    "vsock": "It has a vsock address; zcloud does not keep others from it.",
    "memoryBacking": "How its memory is backed (huge pages, locking) is not counted.",
    "cputune": "Its vCPUs are pinned or limited; zcloud does not keep other guests off these processors.",
    "numatune": "Its memory is bound to NUMA nodes; zcloud does not count by node.",
    "memtune": "Its memory has limits of its own.",
    "blkiotune": "Its disks have weights of their own.",
    "commandline": "It has QEMU arguments of its own, which nobody but QEMU understands.",
    "launchSecurity": "Its memory is encrypted by the host's processor.",
}
_SCREENS = ("vnc", "spice")


def read_domain(xml: str, joins: Joins) -> Adoption:
    """Give what a domain's inactive XML says; raises InvalidXml for what is no domain of a sensible size."""
    domain = Domain.parse(xml)
    vcpus, most = domain.current_vcpus or domain.vcpus, domain.vcpus
    memory, most_memory = domain.current_memory or domain.memory or 0, max(domain.memory or 0, domain.max_memory or 0)
    if vcpus < 1 or most < vcpus or memory < _MIB or not domain.uuid:
        raise InvalidXml(f"The domain {domain.name[:80]!r} has no uuid, no vCPU or no memory.")
    nics = tuple(_nic(each, joins) for each in domain.interfaces)
    return Adoption(
        uuid=domain.uuid,
        name=domain.name,
        vcpus=vcpus,
        max_vcpus=most if most > vcpus else 0,
        memory_mib=-(-memory // _MIB),
        max_memory_mib=-(-most_memory // _MIB) if most_memory > memory else 0,
        firmware=_firmware(domain),
        machine=_short(domain.os.machine),
        screen=next((each.type for each in domain.graphics if each.type in _SCREENS), None) or "none",
        nvram=_short(domain.os.nvram),
        agent=any(each.target_name == "org.qemu.guest_agent.0" for each in domain.channels),
        disks=tuple(map(_disk, domain.disks)),
        nics=nics,
        unmapped=tuple(dict.fromkeys(_unmapped(xml, domain, nics)))[:MAX_TOLD],
    )


def _disk(disk: Disk) -> ForeignDisk:
    at = disk.source
    named = f"{at.pool}/{at.volume}" if at.pool else f"{at.protocol}:{at.name}" if at.protocol else at.file or at.dev
    return ForeignDisk(
        target=_short(disk.target),
        device=_short(disk.device) or "disk",
        bus=_short(disk.bus),
        type=_short(disk.type) or "file",
        format=_short(disk.format),
        source=_short(named or at.dir),
        read_only=disk.read_only,
    )


def _nic(nic: Interface, joins: Joins) -> ForeignNic:
    source = nic.source_network or nic.source_bridge or nic.source_dev or ""
    network_id, network = joins.get((nic.type or "", source), ("", ""))
    mac = (nic.mac or "").lower()
    return ForeignNic(_short(mac), _short(nic.type), _short(source), _short(nic.model), network, network_id)


def _firmware(domain: Domain) -> Firmware:
    return Firmware.UEFI if domain.os.firmware == "efi" or domain.os.loader_type == "pflash" else Firmware.BIOS


def _unmapped(xml: str, domain: Domain, nics: tuple[ForeignNic, ...]) -> Iterator[str]:
    if domain.os.type not in (None, "hvm") or domain.os.arch not in (None, "x86_64"):
        yield f"It is a guest of the kind {_short(domain.os.type)} for {_short(domain.os.arch)}; zcloud knows x86_64."
    if domain.os.kernel:
        yield f"It boots the kernel {_short(domain.os.kernel)} of the host; that file has to stay."
    if domain.mark.name is not None:
        yield "It has zcloud's mark: another zcloud made it, or this one has lost its record."
    yield from _strange_parts(xml)
    for disk in domain.disks:
        yield from _strange_disk(disk)
    for nic in nics:
        if not nic.network_id:
            where = " ".join(filter(None, (nic.type, nic.source)))
            yield f"The NIC {nic.mac} ({where}) is on none of zcloud's networks."
    yield from _strange_screens(list(domain.graphics))
    if not list(domain.serials) and not list(domain.consoles):
        yield "It has no serial console: `zcloud console` needs --vnc or --spice."


def _strange_parts(xml: str) -> Iterator[str]:
    for name in map(_short, part_names(xml)):
        if name not in _PLAIN_PARTS:
            yield _WORDS.get(name, f"Its element <{name}> is not known to zcloud.")
    for name in map(_short, part_names(xml, "devices")):
        if name not in _PLAIN_DEVICES:
            yield _WORDS.get(name, f"Its device <{name}> is not known to zcloud.")


def _strange_disk(disk: Disk) -> Iterator[str]:
    target = _short(disk.target)
    if disk.type not in ("file", "block", None):
        yield f"The disk {target} is of the type {_short(disk.type)}; where its bytes are is libvirt's to know."
    if disk.shareable:
        yield f"The disk {target} may be written by several guests at once; zcloud does not know the others."


def _strange_screens(screens: list[Graphics]) -> Iterator[str]:
    if len(screens) > 1:
        yield f"It has {len(screens)} screens; zcloud shows the first."
    for each in screens:
        if each.type not in _SCREENS:
            yield f"Its screen of the type {_short(each.type)} is not shown by zcloud."
        elif not each.socket and not any(listen.type in ("socket", "none") for listen in each.listens):
            yield f"Its {each.type} screen listens on the network of its host, for whoever reaches that."


def _short(text: str | None) -> str:
    """Give a text that anybody may have written, bounded and in one line."""
    return " ".join((text or "")[:_LONGEST].split())
