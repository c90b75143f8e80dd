"""What a host is and has, read in a few calls when it is added and on request; never on a read path."""

from __future__ import annotations

import json
from typing import Any

from zcloud.drivers.compute.capabilities import FirmwareImage, HostCapabilities, NumaCell, parse_capabilities
from zcloud.ports import HostLink, Hypervisor, NodeFacts, Shell

_FREE_PAGE_REPORTING = (5, 1, 0)  # the first QEMU with it


def take_inventory(link: HostLink) -> dict[str, Any]:
    """Give a host's inventory as plain JSON values: sizes in bytes unless the name says otherwise.

    Raises HypervisorFailed, CommandFailed, HostUnreachable.
    """
    hypervisor, shell = link.hypervisor, link.shell
    node = hypervisor.node()
    capabilities = _capabilities(hypervisor)
    uefi = capabilities.find_firmware()
    return {
        **_machine(node, capabilities),
        "machine": capabilities.machines.get("q35", ""),
        "machines": sorted(set(capabilities.machines.values())),
        "firmwares": ["bios", "uefi"] if uefi else ["bios"],
        "uefi": _image(uefi),
        "uefi_secure": _image(capabilities.find_firmware(secure_boot=True)),
        "cpu_modes": {accel.value: sorted(modes) for accel, modes in capabilities.cpu_modes.items()},
        "cpu_models": {accel.value: sorted(models) for accel, models in capabilities.cpu_models.items()},
        "tpm": capabilities.emulates_tpm,
        "videos": sorted(capabilities.videos),
        "screens": sorted(capabilities.screens),
        "kvm_offered": capabilities.kvm,
        "free_page_reporting": _version(node.hypervisor_version) >= _FREE_PAGE_REPORTING,
        "pools": [{"name": name, "type": kind, "path": path} for name, kind, path in hypervisor.list_pools()],
        "bridges": _bridges(shell),
        "kernel": shell.run(["uname", "-r"]).stdout.decode().strip(),
        "os": _os_name(shell),
    }


def _capabilities(hypervisor: Hypervisor) -> HostCapabilities:
    """Read what the host offers; under KVM it is asked only where libvirt knows KVM."""
    host = hypervisor.capabilities_xml(fresh=True)
    emulated = hypervisor.domain_capabilities_xml(accel="tcg", machine="q35")
    found = parse_capabilities(host, emulated)
    if not found.kvm:
        return found
    return parse_capabilities(host, emulated, hypervisor.domain_capabilities_xml(accel="kvm", machine="q35"))


def _image(image: FirmwareImage | None) -> dict[str, Any] | None:
    if image is None:
        return None
    return {"loader": image.loader, "nvram_template": image.nvram_template, "keys": image.keys_enrolled}


def _cell(cell: NumaCell) -> dict[str, Any]:
    pages = {str(size): count for size, count in cell.pages.items() if size > 4096}
    return {"id": cell.id, "memory": cell.memory, "cpus": list(cell.cpus), "pages": pages}


def _machine(node: NodeFacts, capabilities: HostCapabilities) -> dict[str, Any]:
    return {
        "hostname": node.hostname,
        "host_uuid": capabilities.host_uuid,
        "arch": capabilities.arch,
        "cpus": node.cpus,
        "memory": node.memory_kib << 10,
        "cpu_model": capabilities.cpu_model,
        "cpu_vendor": capabilities.cpu_vendor,
        "sockets": capabilities.sockets,
        "cores": capabilities.cores,
        "threads": capabilities.threads,
        "numa": [_cell(each) for each in capabilities.cells],
        "libvirt": node.libvirt_version,
        "qemu": node.hypervisor_version,
    }


def _bridges(shell: Shell) -> list[dict[str, Any]]:
    links = json.loads(shell.run(["ip", "-j", "link", "show", "type", "bridge"]).stdout or b"[]")
    return [
        {"name": each["ifname"], "mac": each.get("address", ""), "mtu": each.get("mtu", 0)}
        for each in links
        if each.get("ifname")
    ]


def _os_name(shell: Shell) -> str:
    for line in shell.run(["cat", "/etc/os-release"], check=False).stdout.decode(errors="replace").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.removeprefix("PRETTY_NAME=").strip().strip('"')
    return ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
