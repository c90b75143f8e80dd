"""A seed and a plain libvirt domain for the tiny guest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from zcloud.drivers.guest.cloudinit import SeedFiles
from zcloud.drivers.guest.seed import build_iso
from zcloud.lab.hosts import NamespaceHost, wait_for
from zcloud.lab.tiny import READY_WORD

READY_SECONDS = 90.0  # a loaded machine; alone it takes 5 s (BIOS) or 9 s (UEFI)


@dataclass(frozen=True)
class TinyDomain:
    """A tiny guest started by plain libvirt inside a host."""

    host: NamespaceHost
    name: str

    @property
    def console(self) -> Path:
        return self.host.path(f"/var/log/libvirt/qemu/{self.name}-console.log")

    def wait_until_ready(self) -> str:
        """Wait for the guest's word on the console and give its line."""
        wait_for(lambda: READY_WORD in self._console_text(), READY_SECONDS, f"{READY_WORD} from {self.name}")
        return next(line for line in self._console_text().splitlines() if READY_WORD in line)

    def agent(self, command: str) -> object:
        """Ask the guest agent and give its answer."""
        request = json.dumps({"execute": command})
        return json.loads(self.host.virsh("qemu-agent-command", self.name, request))["return"]

    def state(self) -> str:
        return self.host.virsh("domstate", self.name).strip()

    def _console_text(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""


def start_tiny(host: NamespaceHost, name: str, image: Path, seed: SeedFiles, *, uefi: bool = False) -> TinyDomain:
    """Put copies of disk and seed into the host's image directory, and start the guest."""
    images = host.path("/var/lib/libvirt/images")
    for target, content in ((f"{name}.qcow2", image.read_bytes()), (f"{name}.iso", build_iso(seed))):
        (images / target).write_bytes(content)
    host.run(["virsh", "-q", "create", "/dev/stdin"], stdin=domain_xml(name, uefi))
    return TinyDomain(host, name)


def domain_xml(name: str, uefi: bool) -> str:
    """Give the definition of a domain as a person writes one."""
    firmware = (
        "<os firmware='efi'><type machine='q35'>hvm</type>"
        "<firmware><feature enabled='no' name='secure-boot'/></firmware></os>"
        if uefi
        else "<os><type machine='q35'>hvm</type></os>"
    )
    log = f"/var/log/libvirt/qemu/{name}-console.log"
    images = "/var/lib/libvirt/images"
    return f"""
<domain type='qemu'><name>{name}</name><memory unit='MiB'>{256 if uefi else 96}</memory><vcpu>1</vcpu>
{firmware}<features><acpi/></features>
<devices>
<disk type='file'><driver name='qemu' type='qcow2'/><source file={quoteattr(f"{images}/{name}.qcow2")}/>
  <target dev='vda' bus='virtio'/></disk>
<disk type='file'><driver name='qemu' type='raw'/><source file={quoteattr(f"{images}/{name}.iso")}/>
  <target dev='vdb' bus='virtio'/><readonly/></disk>
<interface type='bridge'><mac address='52:54:00:00:77:01'/><source bridge='br0'/><model type='virtio'/></interface>
<serial type='pty'><log file={quoteattr(log)} append='off'/></serial>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
</devices></domain>"""
