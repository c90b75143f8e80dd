"""The lab's own parts, for real: the guest boots by both firmwares, and hosts leave nothing behind."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.lab.guests import start_tiny

import zcloud
from zcloud.domain.guest import GuestNic, GuestSpec
from zcloud.drivers.guest.cloudinit import build_seed
from zcloud.imagebuild import probekit
from zcloud.lab import cgroups
from zcloud.lab.hosts import Lab, NamespaceHost, wait_for

SEED = build_seed(
    GuestSpec(
        instance_id="00000000-0000-4000-8000-000000000001",
        hostname="tiny-one",
        nics=(GuestNic("52:54:00:00:77:01", ("10.99.0.5/24",), gateway="10.99.0.1"),),
        user_data="#!/bin/sh\necho ran > /www/ran\n",
    )
)


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
def test_tiny_guest_boots_reads_its_seed_and_heeds_the_power_button(
    lab_host: NamespaceHost, tiny_image: Path, uefi: bool
) -> None:
    name = "tiny-uefi" if uefi else "tiny-bios"
    guest = start_tiny(lab_host, name, tiny_image, SEED, uefi=uefi)
    try:
        assert "TINY-READY tiny-one" in guest.wait_until_ready()
        wait_for(lambda: guest.agent("guest-ping") == {}, 60, "the agent's answer")
        assert guest.agent("guest-get-host-name") == {"host-name": "tiny-one"}
        interfaces = str(guest.agent("guest-network-get-interfaces"))
        assert "10.99.0.5" in interfaces
        lab_host.run(["ip", "address", "replace", "10.99.0.1/24", "dev", "br0"])
        lab_host.run(["ping", "-c", "1", "-W", "5", "10.99.0.5"])
        assert lab_host.run(["busybox", "wget", "-qO-", "http://10.99.0.5/ran"]).stdout == "ran\n"

        lab_host.virsh("shutdown", name, "--mode", "acpi")
        wait_for(lambda: name not in lab_host.virsh("list", "--name"), 20, "the guest's power off")
    finally:
        lab_host.run(["virsh", "destroy", name], check=False)


def test_probe_kit_boots_and_powers_off(probe_kit: Path) -> None:
    for line in (probe_kit / "sha256").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((probe_kit / name).read_bytes()).hexdigest() == digest

    kernel = ("-kernel", probe_kit / "vmlinuz", "-initrd", probe_kit / "initrd")
    machine = ("-M", "q35", "-accel", "tcg", "-m", "128", "-nodefaults", "-no-reboot", "-display", "none")
    argv: list[str | Path] = [
        "qemu-system-x86_64",
        *machine,
        *kernel,
        "-append",
        probekit.PROBE_CMDLINE,
        "-serial",
        "stdio",
    ]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0
    assert probekit.PROBE_WORD in done.stdout


def test_two_hosts_are_apart_and_reach_each_other() -> None:
    with Lab(2) as lab:
        first, second = lab.hosts
        uuids = {host.virsh("capabilities").partition("<uuid>")[2][:36] for host in lab.hosts}
        assert uuids == {first.host_uuid, second.host_uuid}
        first.path("/var/lib/libvirt/images/only-here").write_text("")
        assert not second.path("/var/lib/libvirt/images/only-here").exists()
        assert not Path("/var/lib/libvirt/images/only-here").exists()

        reach = ["ping", "-c", "1", "-W", "1", second.address]
        first.run(reach)
        second.drop_packets()
        assert first.run(reach, check=False).returncode != 0
        second.restore_packets()
        first.run(reach)


def test_ssh_enters_with_the_labs_key_and_knows_the_host_key(tmp_path: Path) -> None:
    with Lab(1) as lab:
        host = lab.hosts[0]
        known = tmp_path / "known_hosts"
        known.write_text(f"{host.address} {host.host_key}\n")
        options = ("-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-i", str(host.ssh_key))
        argv = ["ssh", *options, f"{host.ssh_user}@{host.address}", "hostname"]
        entered = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (entered.returncode, entered.stdout.strip()) == (0, host.name), entered.stderr

        host.daemons.kill("sshd")
        assert subprocess.run(argv, capture_output=True, check=False).returncode != 0
        host.daemons.start_sshd()
        subprocess.run(argv, check=True, capture_output=True)


def test_libvirtd_can_be_frozen_killed_and_started() -> None:
    with Lab(1) as lab:
        host = lab.hosts[0]
        listing = ["timeout", "1", "virsh", "-q", "list"]
        host.daemons.freeze("libvirtd")
        assert host.run(listing, check=False).returncode == 124
        host.daemons.thaw_all()
        host.run(listing)

        host.daemons.kill("libvirtd")
        assert host.run(listing, check=False).returncode != 0
        host.daemons.start_libvirtd()
        host.run(listing)
        group = Path(f"/proc/{host.daemons.pid_of('libvirtd')}/cgroup").read_text()
        assert f"/{lab.bridge}-{host.name}" in group


def test_libvirtd_is_started_once_and_only_ours_is_stopped() -> None:
    source = str(Path(zcloud.__file__).parents[1])
    verb = ["env", f"PYTHONPATH={source}", sys.executable, "-m", "zcloud.lab", "libvirtd"]
    with Lab(1) as lab:
        host = lab.hosts[0]
        assert "was there already" in host.run([*verb, "start"]).stdout
        assert "nothing" in host.run([*verb, "stop"]).stdout
        host.run(["virsh", "-q", "list"])

        for program in ("libvirtd", "virtlogd"):
            host.daemons.kill(program)
        assert host.run([*verb, "start"]).stdout.strip().endswith("started")
        host.run(["virsh", "-q", "list"])
        assert host.run([*verb, "stop"]).stdout.strip() == "stopped: libvirtd, virtlogd"
        assert not host.daemons.pids("libvirtd")


def test_the_kvm_device_belongs_to_the_group_kvm_as_udev_has_it() -> None:
    with Lab(1) as lab:
        host = lab.hosts[0]
        device = host.path("/dev/kvm")
        if not device.exists():
            pytest.skip("the machine has no /dev/kvm")
        assert (device.group(), device.stat().st_mode & 0o777) == ("kvm", 0o660)


def test_teardown_leaves_nothing() -> None:
    with Lab(2) as lab:
        pids = [pid for host in lab.hosts for pid in (host.pid, *host.daemons.pids("libvirtd"))]
        bridge, directory = lab.bridge, lab.directory
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        lab.hosts[0].daemons.freeze("libvirtd")

    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not list(Path("/sys/class/net").glob(f"{bridge}*"))
    assert not directory.exists()
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()
    assert not [group for tree in cgroups.hierarchies() for group in tree.directory.glob(f"{bridge}-*")]


def test_hosts_die_with_the_process_that_holds_them() -> None:
    program = (
        "import os, signal\nfrom zcloud.lab.hosts import Lab\nlab = Lab(1).__enter__()\n"
        "print(lab.hosts[0].pid, lab.bridge, lab.directory, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid, bridge, directory = done.stdout.split()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 60, "the host's end")
    with Lab(1):
        pass
    assert not Path(f"/sys/class/net/{bridge}/ifalias").exists()
    subprocess.run(["rm", "-r", directory], check=True)
