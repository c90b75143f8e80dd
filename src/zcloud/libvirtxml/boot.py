"""How a domain boots and runs: firmware, features, clock, power management (https://libvirt.org/formatdomain.html)."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Flag, Int, OnOff, Text, YesNo
from zcloud.libvirtxml.mapping import Children, Node


class FirmwareFeature(Node):
    TAG = "feature"
    enabled = YesNo("./@enabled")
    name = Text("./@name")


class BootDevice(Node):
    TAG = "boot"
    dev = Text("./@dev")


class Os(Node):
    TAG = "os"
    firmware = Text("./@firmware")
    type = Text("./type")
    arch = Text("./type/@arch")
    machine = Text("./type/@machine")
    firmware_features = Children("./firmware/feature", FirmwareFeature)
    loader = Text("./loader")
    loader_readonly = YesNo("./loader/@readonly")
    loader_secure = YesNo("./loader/@secure")
    loader_type = Text("./loader/@type")
    loader_format = Text("./loader/@format")
    nvram = Text("./nvram")
    nvram_template = Text("./nvram/@template")
    nvram_format = Text("./nvram/@format")
    kernel = Text("./kernel")
    initrd = Text("./initrd")
    cmdline = Text("./cmdline")
    boot_devices = Children("./boot", BootDevice)
    boot_menu = YesNo("./bootmenu/@enable")
    boot_menu_timeout = Int("./bootmenu/@timeout")
    bios_serial = YesNo("./bios/@useserial")
    reboot_timeout = Int("./bios/@rebootTimeout")
    smbios_mode = Text("./smbios/@mode")


class HyperV(Node):
    """Enlightenments that Windows guests look for."""

    TAG = "hyperv"
    mode = Text("./@mode")
    relaxed = OnOff("./relaxed/@state")
    vapic = OnOff("./vapic/@state")
    spinlocks = OnOff("./spinlocks/@state")
    spinlock_retries = Int("./spinlocks/@retries")
    vpindex = OnOff("./vpindex/@state")
    runtime = OnOff("./runtime/@state")
    synic = OnOff("./synic/@state")
    stimer = OnOff("./stimer/@state")
    reset = OnOff("./reset/@state")
    frequencies = OnOff("./frequencies/@state")
    reenlightenment = OnOff("./reenlightenment/@state")
    tlbflush = OnOff("./tlbflush/@state")
    ipi = OnOff("./ipi/@state")
    evmcs = OnOff("./evmcs/@state")


class Features(Node):
    TAG = "features"
    pae = Flag("./pae")
    acpi = Flag("./acpi")
    apic = Flag("./apic")
    apic_eoi = OnOff("./apic/@eoi")
    kvm_hidden = OnOff("./kvm/hidden/@state")
    kvm_dedicated = OnOff("./kvm/hint-dedicated/@state")
    pmu = OnOff("./pmu/@state")
    vmport = OnOff("./vmport/@state")
    smm = OnOff("./smm/@state")
    ioapic = Text("./ioapic/@driver")
    vmcoreinfo = OnOff("./vmcoreinfo/@state")


class Timer(Node):
    TAG = "timer"
    name = Text("./@name")
    tick_policy = Text("./@tickpolicy")
    present = YesNo("./@present")
    mode = Text("./@mode")


class Clock(Node):
    TAG = "clock"
    offset = Text("./@offset")
    adjustment = Text("./@adjustment")
    basis = Text("./@basis")
    timezone = Text("./@timezone")
    timers = Children("./timer", Timer)


class PowerManagement(Node):
    TAG = "pm"
    suspend_to_mem = YesNo("./suspend-to-mem/@enabled")
    suspend_to_disk = YesNo("./suspend-to-disk/@enabled")
