"""What a host and its hypervisor can do (https://libvirt.org/formatcaps.html, formatdomaincaps.html)."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Bytes, Int, Text, Texts, YesNo
from zcloud.libvirtxml.mapping import Children, Node


class HostPages(Node):
    """Pages of one size; ``size`` is in ``unit`` (KiB)."""

    TAG = "pages"
    size = Int("./@size")
    unit = Text("./@unit")
    count = Int(".")


class HostThread(Node):
    """A logical CPU; ``siblings`` are the threads of its core, as a CPU set."""

    TAG = "cpu"
    id = Int("./@id")
    socket = Int("./@socket_id")
    die = Int("./@die_id")
    core = Int("./@core_id")
    siblings = Text("./@siblings")


class HostCell(Node):
    """A NUMA node; memory in bytes."""

    TAG = "cell"
    id = Int("./@id")
    memory = Bytes("./memory")
    pages = Children("./pages", HostPages)
    threads = Children("./cpus/cpu", HostThread)


class Machine(Node):
    """A machine type; an alias names its ``canonical`` one."""

    TAG = "machine"
    name = Text(".")
    canonical = Text("./@canonical")
    max_vcpus = Int("./@maxCpus")
    deprecated = YesNo("./@deprecated")


class GuestDomain(Node):
    TAG = "domain"
    type = Text("./@type")
    emulator = Text("./emulator")
    machines = Children("./machine", Machine)


class Guest(Node):
    TAG = "guest"
    os_type = Text("./os_type")
    arch = Text("./arch/@name")
    word_size = Int("./arch/wordsize")
    emulator = Text("./arch/emulator")
    machines = Children("./arch/machine", Machine)
    domains = Children("./arch/domain", GuestDomain)


class HostFeature(Node):
    TAG = "feature"
    name = Text("./@name")


class SecurityLabel(Node):
    """Whom QEMU runs as by default; for the model ``dac`` this is ``+UID:+GID``."""

    TAG = "baselabel"
    type = Text("./@type")
    value = Text(".")


class SecurityModel(Node):
    TAG = "secmodel"
    model = Text("./model")
    labels = Children("./baselabel", SecurityLabel)


class Capabilities(Node):
    """The answer of virConnectGetCapabilities."""

    TAG = "capabilities"
    uuid = Text("./host/uuid")
    arch = Text("./host/cpu/arch")
    cpu_model = Text("./host/cpu/model")
    cpu_vendor = Text("./host/cpu/vendor")
    sockets = Int("./host/cpu/topology/@sockets")
    dies = Int("./host/cpu/topology/@dies")
    cores = Int("./host/cpu/topology/@cores")
    threads = Int("./host/cpu/topology/@threads")
    cpu_features = Children("./host/cpu/feature", HostFeature)
    page_sizes = Children("./host/cpu/pages", HostPages)
    iommu = YesNo("./host/iommu/@support")
    security_models = Children("./host/secmodel", SecurityModel)
    cells = Children("./host/topology/cells/cell", HostCell)
    guests = Children("./guest", Guest)


class CpuModel(Node):
    """A model of the mode ``custom``."""

    TAG = "model"
    name = Text(".")
    usable = YesNo("./@usable")


class CpuMode(Node):
    TAG = "mode"
    name = Text("./@name")
    supported = YesNo("./@supported")
    models = Children("./model", CpuModel)


class DomainCapabilities(Node):
    """The answer of virConnectGetDomainCapabilities, for one emulator, machine and domain type."""

    TAG = "domainCapabilities"
    emulator = Text("./path")
    domain = Text("./domain")
    machine = Text("./machine")
    arch = Text("./arch")
    max_vcpus = Int("./vcpu/@max")
    firmware = Texts("./os/enum[@name='firmware']/value")
    loader = YesNo("./os/loader/@supported")
    loaders = Texts("./os/loader/value")
    loader_types = Texts("./os/loader/enum[@name='type']/value")
    loader_secure = Texts("./os/loader/enum[@name='secure']/value")
    cpu_modes = Children("./cpu/mode", CpuMode)
    memory_sources = Texts("./memoryBacking/enum[@name='sourceType']/value")
    disk_buses = Texts("./devices/disk/enum[@name='bus']/value")
    graphics = Texts("./devices/graphics/enum[@name='type']/value")
    videos = Texts("./devices/video/enum[@name='modelType']/value")
    rng = YesNo("./devices/rng/@supported")
    tpm = YesNo("./devices/tpm/@supported")
    tpm_models = Texts("./devices/tpm/enum[@name='model']/value")
    tpm_backends = Texts("./devices/tpm/enum[@name='backendModel']/value")
    tpm_versions = Texts("./devices/tpm/enum[@name='backendVersion']/value")
    sev = YesNo("./features/sev/@supported")
    backing_store_input = YesNo("./features/backingStoreInput/@supported")
