"""A domain's processors: model, topology, guest NUMA, pinning (https://libvirt.org/formatdomain.html#cpu-model-and-topology)."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Bytes, Int, Text, YesNo
from zcloud.libvirtxml.mapping import Children, Group, Node


class CpuFeature(Node):
    TAG = "feature"
    policy = Text("./@policy")
    name = Text("./@name")


class NumaDistance(Node):
    TAG = "sibling"
    id = Int("./@id")
    value = Int("./@value")


class NumaCell(Node):
    """A cell of the guest; its size is an attribute, so it is in ``unit`` (KiB where absent)."""

    TAG = "cell"
    id = Int("./@id")
    cpus = Text("./@cpus")
    memory = Int("./@memory")
    unit = Text("./@unit")
    mem_access = Text("./@memAccess")
    discard = YesNo("./@discard")
    distances = Children("./distances/sibling", NumaDistance)


class CpuCache(Node):
    TAG = "cache"
    level = Int("./@level")
    mode = Text("./@mode")


class Cpu(Node):
    TAG = "cpu"
    mode = Text("./@mode")
    match = Text("./@match")
    check = Text("./@check")
    migratable = Text("./@migratable")
    model = Text("./model")
    model_fallback = Text("./model/@fallback")
    vendor = Text("./vendor")
    sockets = Int("./topology/@sockets")
    dies = Int("./topology/@dies")
    clusters = Int("./topology/@clusters")
    cores = Int("./topology/@cores")
    threads = Int("./topology/@threads")
    cache = Group("./cache", CpuCache)
    phys_bits_mode = Text("./maxphysaddr/@mode")
    phys_bits = Int("./maxphysaddr/@bits")
    features = Children("./feature", CpuFeature)
    numa_cells = Children("./numa/cell", NumaCell)


class VcpuPin(Node):
    TAG = "vcpupin"
    vcpu = Int("./@vcpu")
    cpuset = Text("./@cpuset")


class IothreadPin(Node):
    TAG = "iothreadpin"
    iothread = Int("./@iothread")
    cpuset = Text("./@cpuset")


class VcpuSched(Node):
    TAG = "vcpusched"
    vcpus = Text("./@vcpus")
    scheduler = Text("./@scheduler")
    priority = Int("./@priority")


class CpuTune(Node):
    """Shares, quotas (microseconds) and pinning (https://libvirt.org/formatdomain.html#cpu-tuning)."""

    TAG = "cputune"
    shares = Int("./shares")
    period = Int("./period")
    quota = Int("./quota")
    global_period = Int("./global_period")
    global_quota = Int("./global_quota")
    emulator_period = Int("./emulator_period")
    emulator_quota = Int("./emulator_quota")
    vcpu_pins = Children("./vcpupin", VcpuPin)
    emulator_cpuset = Text("./emulatorpin/@cpuset")
    iothread_pins = Children("./iothreadpin", IothreadPin)
    schedulers = Children("./vcpusched", VcpuSched)


class MemNode(Node):
    TAG = "memnode"
    cell = Int("./@cellid")
    mode = Text("./@mode")
    nodeset = Text("./@nodeset")


class NumaTune(Node):
    TAG = "numatune"
    mode = Text("./memory/@mode")
    nodeset = Text("./memory/@nodeset")
    placement = Text("./memory/@placement")
    nodes = Children("./memnode", MemNode)


class HugePage(Node):
    """A page size for guest cells; ``size`` is in ``unit`` (KiB where absent)."""

    TAG = "page"
    size = Int("./@size")
    unit = Text("./@unit")
    nodeset = Text("./@nodeset")


class MemoryBacking(Node):
    TAG = "memoryBacking"
    huge_pages = Children("./hugepages/page", HugePage)
    source = Text("./source/@type")
    access = Text("./access/@mode")
    allocation = Text("./allocation/@mode")


class MemTune(Node):
    """Limits of the whole process, in bytes."""

    TAG = "memtune"
    hard_limit = Bytes("./hard_limit")
    soft_limit = Bytes("./soft_limit")
    swap_hard_limit = Bytes("./swap_hard_limit")
    min_guarantee = Bytes("./min_guarantee")
