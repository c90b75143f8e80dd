"""Real hosts for the measurements: a namespace host with raw libvirt, and a zcloud server that has it as its host."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt

from bench.measure import Cost, command
from bench.served import Served, served
from zcloud.base.config import Config
from zcloud.base.ids import new_mac
from zcloud.lab import tiny
from zcloud.lab.hosts import Lab, NamespaceHost

IMAGES = "/var/lib/libvirt/images/bench"
BASE = f"{IMAGES}/base.qcow2"
MEMORY_MIB = 128
NETWORK = "default"
_TEMPLATE = "template"
_SMALL = "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"


class RawHost:
    """What libvirt can do by itself on a host, without anything of zcloud's: the floor."""

    def __init__(self, host: NamespaceHost) -> None:
        self.host = host
        self.uri = f"qemu+unix:///system?socket={host.libvirt_socket}"
        self.connection: Any = libvirt.open(self.uri)  # more of libvirt than zcloud uses
        self._xml = ""

    def prepare(self, image: Path, virt_type: str) -> None:
        """Bring the guest's image, and have virt-install write the guest's definition."""
        host = self.host
        host.path(IMAGES).mkdir(mode=0o711)
        shutil.copyfile(image, host.path(BASE))
        host.run(["virsh", "pool-create-as", "bench", "dir", "--target", IMAGES])
        if not self.connection.networkLookupByName(NETWORK).isActive():
            self.connection.networkLookupByName(NETWORK).create()
        self.virt_type = virt_type
        self._xml = host.run([*self.virt_install(_TEMPLATE), "--print-xml", "1"]).stdout

    def virt_install(self, name: str) -> list[str]:
        """Give the command that brings an instance of the image up."""
        disk = f"path={IMAGES}/{name}.qcow2,size=1,format=qcow2,backing_store={BASE},backing_format=qcow2"
        return [
            "virt-install", "--import", "--name", name, "--memory", str(MEMORY_MIB), "--vcpus", "1", "--disk", disk,
            "--network", f"network={NETWORK}", "--graphics", "none", "--noautoconsole", "--osinfo", "debian11",
            "--virt-type", self.virt_type, "--cpu", "mode=maximum" if self.virt_type == "qemu" else "host-model",
        ]  # fmt: skip

    def run_virt_install(self, name: str) -> Cost:
        """Run virt-install inside the host."""
        return command([*self.host.daemons.enter, *self.virt_install(name)])

    def create(self, name: str, *, memory_mib: int = MEMORY_MIB) -> Any:
        """Make an overlay and define a domain over it, from Python."""
        volume = (
            f"<volume><name>{name}.qcow2</name><capacity unit='GiB'>1</capacity>"
            f"<target><format type='qcow2'/></target>"
            f"<backingStore><path>{BASE}</path><format type='qcow2'/></backingStore></volume>"
        )
        self.connection.storagePoolLookupByName("bench").createXML(volume)
        xml = re.sub(r"<uuid>.*?</uuid>", f"<uuid>{uuid4()}</uuid>", self._xml)
        xml = re.sub(r'<mac address="[^"]*"', f'<mac address="{new_mac()}"', xml)
        xml = xml.replace(f">{MEMORY_MIB << 10}</", f">{memory_mib << 10}</")
        return self.connection.defineXML(xml.replace(_TEMPLATE, name))

    def launch(self, name: str, *, memory_mib: int = MEMORY_MIB) -> None:
        """Make an overlay, define a domain and start it."""
        self.create(name, memory_mib=memory_mib).create()

    def remove(self, name: str) -> None:
        """Remove a domain and its disk."""
        domain = self.connection.lookupByName(name)
        if domain.isActive():
            domain.destroy()
        domain.undefine()
        self.connection.storagePoolLookupByName("bench").refresh()
        self.connection.storagePoolLookupByName("bench").storageVolLookupByName(f"{name}.qcow2").delete()

    def define_many(self, count: int) -> None:
        """Define small domains until there are so many."""
        for number in range(self.connection.numOfDefinedDomains(), count):
            self.connection.defineXML(_SMALL.format(name=f"web-{number:05}"))

    def until_running(self, uuid: str, deadline_s: float = 30.0) -> bool:
        """Wait until a domain runs and say whether it does."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            try:
                if self.connection.lookupByUUIDString(uuid).state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                    return True
            except libvirt.libvirtError:
                pass
            time.sleep(0.005)
        return False

    def leases(self) -> set[str]:
        """Give the addresses that libvirt's own network has leased."""
        return {each["ipaddr"] for each in self.connection.networkLookupByName(NETWORK).DHCPLeases()}

    def until_leased(self, known: set[str], count: int, deadline_s: float = 120.0) -> set[str]:
        """Wait until so many more guests have their address by DHCP, and give those; raises TimeoutError."""
        deadline = time.monotonic() + deadline_s
        while len(found := self.leases() - known) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} leases, not {count}")
            time.sleep(0.05)
        return found

    def until_reachable(self, addresses: Iterable[str], deadline_s: float = 120.0) -> None:
        """Wait until the guests at all of the addresses answer the host's ping; raises TimeoutError."""
        deadline = time.monotonic() + deadline_s
        for address in addresses:
            while self.host.run(["ping", "-c1", "-W1", address], check=False).returncode:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{address} does not answer")


@contextmanager
def raw_host() -> Iterator[RawHost]:
    """Give a namespace host."""
    _quiet_libvirt()
    with Lab(1) as lab:
        yield RawHost(lab.hosts[0])


@contextmanager
def real_cloud() -> Iterator[tuple[Served, RawHost]]:
    """Give a server whose host is a namespace host, reached by SSH; with the image ``tiny``."""
    with raw_host() as raw:
        host = raw.host

        def authorize(config: Config) -> None:
            config.ssh_key.write_bytes(Path(host.ssh_key).read_bytes())
            config.ssh_key.with_suffix(".pub").unlink()  # it was of the key just replaced

        with served(fill=authorize) as server:
            _enlist(server, host)
            accel = server.client.get("/v1/hosts/alpha")["accel"]
            raw.prepare(tiny.tiny_image(), "kvm" if accel == "kvm" else "qemu")
            yield server, raw


def instance(name: str, *, start: bool = True) -> dict[str, object]:
    """Give the body of a launch of the tiny guest."""
    return {"name": name, "image": "tiny", "vcpus": 1, "memory_mib": MEMORY_MIB, "root_size": 1 << 30, "start": start}


def _enlist(server: Served, host: NamespaceHost) -> None:
    client = server.client
    access = {"address": str(host.address), "port": host.ssh_port, "user": host.ssh_user, "host_key": host.host_key}
    server.done(client.post("/v1/hosts", {"name": "alpha", "cpu_ratio": 64.0, **access}))
    server.done(client.post("/v1/pools", {"name": "default", "host": "alpha", "is_default": True}))
    network = {"name": "nat", "host": "alpha", "cidr": "192.168.140.0/24", "is_default": True}
    server.done(client.post("/v1/networks", network))
    client.images.upload(tiny.tiny_image(), "tiny", public=True).wait()


def _quiet_libvirt() -> None:
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
