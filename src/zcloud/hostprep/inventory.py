"""What a host is and has, read in a few calls when it is added and on request; never on a read path."""

from __future__ import annotations

import json
from typing import Any

from zcloud.drivers.compute.capabilities import HostCapabilities, parse_capabilities
from zcloud.ports import HostLink, NodeFacts, Shell

_FREE_PAGE_REPORTING = (5, 1, 0)  # the first QEMU with it


def take_inventory(link: HostLink) -> dict[str, Any]:
    """Give a host's inventory as plain JSON values: sizes in bytes unless the name says otherwise.

    Raises HypervisorFailed, CommandFailed, HostUnreachable.
    """
    hypervisor, shell = link.hypervisor, link.shell
    node = hypervisor.node()
    capabilities = parse_capabilities(
        hypervisor.capabilities_xml(), hypervisor.domain_capabilities_xml(accel="tcg", machine="q35")
    )
    uefi = capabilities.find_firmware()
    return {
        **_machine(node, capabilities),
        "machine": capabilities.machines.get("q35", ""),
        "machines": sorted(set(capabilities.machines.values())),
        "firmwares": ["bios", "uefi"] if uefi else ["bios"],
        "uefi": {"loader": uefi.loader, "nvram_template": uefi.nvram_template} if uefi else None,
        "kvm_offered": capabilities.kvm,
        "free_page_reporting": _version(node.hypervisor_version) >= _FREE_PAGE_REPORTING,
        "pools": [{"name": name, "type": kind, "path": path} for name, kind, path in hypervisor.list_pools()],
        "bridges": _bridges(shell),
        "kernel": shell.run(["uname", "-r"]).stdout.decode().strip(),
        "os": _os_name(shell),
    }


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
        "numa": [{"id": each.id, "memory": each.memory, "cpus": list(each.cpus)} for each in capabilities.cells],
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
