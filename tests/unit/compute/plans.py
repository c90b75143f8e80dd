"""The plans behind the golden files: between them every field of a plan has more than one value."""

from __future__ import annotations

from dataclasses import replace

from zcloud.domain.attachment import Attachment, Discard, DiskBus, DiskCache, DiskIo, IoLimits
from zcloud.domain.hardware import Hardware, settle
from zcloud.domain.host import Accel
from zcloud.domain.plug import DiskFormat, DiskKind, DiskPlug, DiskSource, NetworkDisk, NicKind, NicPlug
from zcloud.domain.size import Size
from zcloud.drivers.compute.design import DomainPlan, UefiFirmware
from zcloud.drivers.compute.installer import Installer

ROOT = DiskSource(
    volume_id="0d5c3a52-6c0a-4f43-9d5a-000000000001",
    path="/var/lib/zcloud/pools/default/0d5c3a52-6c0a-4f43-9d5a-000000000001.qcow2",
)
DATA = DiskSource(
    volume_id="0d5c3a52-6c0a-4f43-9d5a-000000000002",
    path="/dev/vg0/0d5c3a52-6c0a-4f43-9d5a-000000000002",
    format=DiskFormat.RAW,
    kind=DiskKind.BLOCK,
)
SHARED_TOOLS = DiskSource(
    volume_id="0d5c3a52-6c0a-4f43-9d5a-000000000003",
    path="/srv/tools.qcow2",
    read_only=True,
    direct_io=False,
)
CEPH = DiskSource(
    volume_id="0d5c3a52-6c0a-4f43-9d5a-000000000004",
    path="vms/0d5c3a52-6c0a-4f43-9d5a-000000000004",
    format=DiskFormat.RAW,
    kind=DiskKind.NETWORK,
    network=NetworkDisk(
        protocol="rbd",
        hosts=(("192.0.2.1", 6789), ("192.0.2.2", 6789)),
        tool="rbd:vms/0d5c3a52-6c0a-4f43-9d5a-000000000004:conf=/etc/ceph/one.conf",
        user="zcloud",
        secret="5a2e6a4c-7d1f-4c62-9f0e-00000000000c",
        secret_kind="ceph",
    ),
)
ISCSI = DiskSource(
    volume_id="0d5c3a52-6c0a-4f43-9d5a-000000000005",
    path="iqn.2026-01.org.example:disks/1",
    format=DiskFormat.RAW,
    kind=DiskKind.NETWORK,
    network=NetworkDisk(
        protocol="iscsi",
        hosts=(("192.0.2.3", 3260),),
        tool="iscsi://192.0.2.3/iqn.2026-01.org.example:disks/1",
        user="hosts",
        secret="5a2e6a4c-7d1f-4c62-9f0e-00000000000d",
        secret_kind="iscsi",
        initiator="iqn.2026-01.org.example:zcloud",
        size=8 << 30,
        key_file="/var/lib/libvirt/images/zcloud-5a2e6a4c-7d1f-4c62-9f0e-00000000000d/chap",
    ),
)
LIMITED_ROOT = DiskPlug(
    source=ROOT,
    slot=0,
    attachment=Attachment(
        discard=Discard.IGNORE,
        limits=IoLimits(
            total_bytes=50 << 20, total_bytes_burst=80 << 20, total_iops=500, total_iops_burst=900, burst_s=10
        ),
    ),
)
SLOW_DATA = DiskPlug(
    source=DATA,
    slot=1,
    attachment=Attachment(
        bus=DiskBus.SCSI,
        read_only=True,
        shared=True,
        cache=DiskCache.DIRECTSYNC,
        io=DiskIo.IO_URING,
        serial="archive",
        filesystem="xfs",  # this and the next are the guest's business: the XML has neither
        mount="/srv/archive",
        limits=IoLimits(
            read_bytes=1000, read_bytes_burst=2000, write_bytes=3000, write_bytes_burst=4000,
            read_iops=5, read_iops_burst=6, write_iops=7, write_iops_burst=8,
        ),
    ),
)  # fmt: skip
NAT_NIC = NicPlug(
    port_id="7e0d7c1e-1b7c-4a53-8d0b-000000000001",
    mac="52:54:00:4d:1a:01",
    tap="zc7e0d7c1e1b7",
    kind=NicKind.NETWORK,
    source="zcloud-nat",
    link_up=False,
)
BRIDGE_NIC = NicPlug(
    port_id="7e0d7c1e-1b7c-4a53-8d0b-000000000002",
    mac="52:54:00:4d:1a:02",
    tap="zc7e0d7c1e1b8",
    kind=NicKind.BRIDGE,
    source="br0",
    isolated=True,
    mtu=9000,
    boot_order=2,
)
UEFI = UefiFirmware(
    loader="/usr/share/OVMF/OVMF_CODE_4M.fd",
    nvram_template="/usr/share/OVMF/OVMF_VARS_4M.fd",
    nvram="/var/lib/zcloud/pools/default/demo.nvram",
)
SECURE = UefiFirmware(
    loader="/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
    nvram_template="/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
    nvram="/var/lib/zcloud/pools/default/safe.nvram",
    secure_boot=True,
)

WINDOWS_11 = settle({"os": "windows-11", "nic_model": "e1000e"})
TUNED = Hardware(
    cpu="qemu64",
    cpu_topology="2:1:2",
    cpu_pin="0=0;1=0-1;3=1",
    emulator_pin="0",
    numa_cells=2,
    memory_nodes="0",
    huge_pages="2M",
    boot="network,disk",
    watchdog="i6300esb",
    rng_rate=4096,
)

DEMO = DomainPlan(
    instance_id="5a2e6a4c-7d1f-4c62-9f0e-000000000001",
    domain_name="zc-5a2e6a4c",
    instance_name="demo",
    project="default",
    incarnation=1,
    size=Size(1, 512),
    accel=Accel.TCG,
    machine="pc-q35-7.2",
    disks=(DiskPlug(source=ROOT, slot=0),),
    seed="/var/lib/zcloud/pools/default/demo.seed.iso",
    nics=(NAT_NIC,),
    console_log="/var/log/zcloud/console/5a2e6a4c.log",
)

DISC = DiskSource(
    volume_id="0" * 64,
    path=f"/var/lib/zcloud/pools/default/base/{'0' * 64}.iso",
    format=DiskFormat.RAW,
    read_only=True,
)

CASES: dict[str, DomainPlan] = {
    "demo": DEMO,
    "unprobed": replace(DEMO, accel=Accel.UNKNOWN, free_page_reporting=False),
    "kvm": replace(DEMO, accel=Accel.KVM),
    "bare": replace(DEMO, seed="", nics=()),
    "uefi": replace(DEMO, uefi=UEFI, machine="pc-q35-6.2"),
    "secure-boot": replace(DEMO, uefi=SECURE),
    "headless": replace(DEMO, hardware=Hardware(screen="none", rng=False)),
    "windows": replace(
        DEMO, uefi=SECURE, size=Size(2, 4096), hardware=settle({"os": "windows-11", "nic_model": "e1000e"})
    ),
    "no-virtio": replace(
        DEMO,
        disks=(DiskPlug(source=ROOT, slot=0, attachment=Attachment(DiskBus.SATA)),),
        hardware=Hardware(disk_bus="sata", nic_model="e1000e", video="vga"),
    ),
    "drivers": replace(
        DEMO,
        disks=(DiskPlug(source=ROOT, slot=0, attachment=Attachment(DiskBus.SATA)),),
        drivers=DISC,
        hardware=settle({"os": "windows", "disk_bus": "sata", "nic_model": "e1000e"}),
    ),
    "network-disks": replace(DEMO, disks=(DiskPlug(source=CEPH, slot=0), DiskPlug(source=ISCSI, slot=1))),
    "cd": replace(DEMO, cd=DISC, installer=Installer()),
    "installer": replace(
        DEMO,
        installer=Installer(
            kernel="/var/lib/zcloud/pools/default/artifacts/a.kernel",
            initrd="/var/lib/zcloud/pools/default/artifacts/a.initrd",
            cmdline="console=ttyS0 priority=critical",
        ),
    ),
    "windows-kvm": replace(DEMO, accel=Accel.KVM, hardware=settle({"os": "windows", "cpu": "maximum"})),
    "tuned": replace(DEMO, size=Size(4, 512, 4, 1024), hardware=TUNED),
    "spice": replace(DEMO, hardware=Hardware(screen="spice", video="qxl")),
    "watched": replace(DEMO, hardware=Hardware(watchdog="i6300esb", watchdog_action="pause", video="bochs")),
    "huge": replace(DEMO, hardware=Hardware(cpu="maximum", huge_pages="1G", tpm="2.0", video="qxl")),
    "full": replace(
        DEMO,
        instance_id="5a2e6a4c-7d1f-4c62-9f0e-000000000002",
        domain_name="zc-5a2e6a4d",
        instance_name="database",
        project="shop",
        incarnation=7,
        title="database.shop",
        description="Two lines\nof what it is for.",
        size=Size(2, 4096, 8),
        accel=Accel.KVM,
        hardware=Hardware(cpu="host-passthrough"),
        disks=(LIMITED_ROOT, SLOW_DATA, DiskPlug(source=SHARED_TOOLS, slot=2)),
        nics=(NAT_NIC, BRIDGE_NIC),
        console_log="/var/log/zcloud/console/5a2e6a4d.log",
    ),
    "roomy": replace(DEMO, size=Size(1, 256, 2, 1000)),
    "hostile": replace(
        DEMO,
        instance_name="<x a='1'/>]]>&amp;\"'",
        project="</metadata><devices>",
        title="one\ntwo\t<title>",
        description="<!-- --><![CDATA[ ]]> &lol; \u202e 🦆",
    ),
}
