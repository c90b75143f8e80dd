"""The whole of a domain (https://libvirt.org/formatdomain.html), its lines in libvirt's own order."""

from __future__ import annotations

from zcloud.libvirtxml.boot import Clock, Features, HyperV, Os, PowerManagement
from zcloud.libvirtxml.cpu import Cpu, CpuTune, MemoryBacking, MemTune, NumaTune
from zcloud.libvirtxml.device import (
    Balloon,
    Channel,
    Character,
    Console,
    Controller,
    FileSystem,
    Graphics,
    HostDevice,
    Input,
    Iommu,
    MemoryModule,
    Panic,
    Rng,
    Tpm,
    Video,
    Vsock,
    Watchdog,
)
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.fields import Bytes, Flag, Int, Text
from zcloud.libvirtxml.mapping import Children, Group, Node, Required
from zcloud.libvirtxml.nic import Interface


class InstanceMark(Node):
    """Our own element in a domain's metadata: by it zcloud recognises what it made."""

    TAG = "{urn:zcloud:instance:1}instance"
    name = Text("./@name")
    project = Text("./@project")
    incarnation = Int("./@incarnation")


class Domain(Node):
    """A domain; sizes in bytes."""

    TAG = "domain"
    type = Required(Text("./@type"))
    id = Int("./@id")
    name = Required(Text("./name"))
    uuid = Text("./uuid")
    title = Text("./title")
    description = Text("./description")
    mark = Group("./metadata/zcloud:instance", InstanceMark)
    max_memory = Bytes("./maxMemory", unit="MiB")
    memory_slots = Int("./maxMemory/@slots")
    memory = Bytes("./memory", unit="MiB")
    current_memory = Bytes("./currentMemory", unit="MiB")
    memory_backing = Group("./memoryBacking", MemoryBacking)
    huge_pages = Flag("./memoryBacking/hugepages")
    no_same_page_merging = Flag("./memoryBacking/nosharepages")
    locked_memory = Flag("./memoryBacking/locked")
    blkio_weight = Int("./blkiotune/weight")
    memory_tune = Group("./memtune", MemTune)
    vcpus = Required(Int("./vcpu"))
    vcpu_placement = Text("./vcpu/@placement")
    vcpu_cpuset = Text("./vcpu/@cpuset")
    current_vcpus = Int("./vcpu/@current")
    iothreads = Int("./iothreads")
    cpu_tune = Group("./cputune", CpuTune)
    numa_tune = Group("./numatune", NumaTune)
    partition = Text("./resource/partition")
    os = Group("./os", Os)
    features = Group("./features", Features)
    hyperv = Group("./features/hyperv", HyperV)
    cpu = Group("./cpu", Cpu)
    clock = Group("./clock", Clock)
    on_poweroff = Text("./on_poweroff")
    on_reboot = Text("./on_reboot")
    on_crash = Text("./on_crash")
    power_management = Group("./pm", PowerManagement)
    emulator = Text("./devices/emulator")
    disks = Children("./devices/disk", Disk)
    controllers = Children("./devices/controller", Controller)
    filesystems = Children("./devices/filesystem", FileSystem)
    interfaces = Children("./devices/interface", Interface)
    serials = Children("./devices/serial", Character)
    consoles = Children("./devices/console", Console)
    channels = Children("./devices/channel", Channel)
    inputs = Children("./devices/input", Input)
    tpms = Children("./devices/tpm", Tpm)
    graphics = Children("./devices/graphics", Graphics)
    videos = Children("./devices/video", Video)
    host_devices = Children("./devices/hostdev", HostDevice)
    watchdogs = Children("./devices/watchdog", Watchdog)
    balloon = Group("./devices/memballoon", Balloon)
    rngs = Children("./devices/rng", Rng)
    panics = Children("./devices/panic", Panic)
    memory_modules = Children("./devices/memory", MemoryModule)
    iommu = Group("./devices/iommu", Iommu)
    vsock = Group("./devices/vsock", Vsock)
