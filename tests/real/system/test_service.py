"""A real installation under systemd, as the documentation has it: one story, in this order.

``ZCLOUD_SERVICE_ON=nested`` tells it on a nested host, whose guests run under KVM (most of an hour).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.real.system.installation import make_venv, server_packages
from tests.real.system.nested import installed_image
from tests.real.system.service import GUEST, PERSON, UNITS, VENV, Service

from zcloud.lab.nested import NestedHost
from zcloud.lab.systemdhost import SystemdHost

NESTED = os.environ.get("ZCLOUD_SERVICE_ON") == "nested"
SMALL = ("--image", "tiny", "--vcpus", "1", "--memory", "128M")


@pytest.fixture(scope="module")
def service(wheel: Path, probe_kit: Path, tiny_image: Path, kvm_works: bool) -> Iterator[Service]:
    """Give a machine on which zcloud is installed, but not set up."""
    if os.geteuid() != 0:
        pytest.skip("a machine that boots needs root")
    if NESTED:
        with TemporaryDirectory(prefix="zcloud-nested-", dir="/var/tmp") as directory:
            image = installed_image(wheel, probe_kit, tiny_image, Path(directory))
            with NestedHost(image) as nested:
                yield Service(nested, 900)  # its processor is emulated
        return
    with SystemdHost(kvm=kvm_works) as host:
        shutil.copyfile(wheel, host.path("/root") / wheel.name)
        make_venv(host.run, VENV, host.path(VENV), f"/root/{wheel.name}", server_packages())
        host.run(["ln", "-s", f"{VENV}/bin/zcloud", "/usr/local/bin/zcloud"])
        host.run(["useradd", "--create-home", PERSON])
        shutil.copyfile(tiny_image, host.path(GUEST))
        shutil.copytree(probe_kit, host.path("/var/lib/zcloud/probe-kit"))
        host.path("/var/lib/zcloud/probe-kit").chmod(0o700)  # as an administrator may have it
        yield Service(host, 400)


def test_init_says_what_it_does_and_a_second_time_there_is_nothing_to_do(service: Service) -> None:
    told = service.init()
    assert "Made the system user zcloud" in told
    for name in ("zcloud.toml", "ca.pem", *(f"{unit}.service" for unit in UNITS)):
        assert re.search(rf"^Wrote /etc/\S*{re.escape(name)}\.$", told, re.MULTILINE), told
    assert service.run("systemctl", "is-active", *UNITS, check=False).split() == ["active"] * 3, service.log()
    assert service.run("systemctl", "is-enabled", *UNITS, check=False).split() == ["enabled"] * 3
    server = service.main_pid("zcloud")
    again = service.init()
    assert not re.search("^(Made|Wrote|Replaced|Gave|Changed)", again, re.MULTILINE), again
    assert "The user admin is there already." in again
    assert service.main_pid("zcloud") == server
    service.sign_in()


def test_files_belong_to_whom_they_should(service: Service) -> None:
    listed = service.run("find", "/var/lib/zcloud", "/etc/zcloud", "-printf", r"%m %u:%g %y %p\n")
    facts = {line.split(" ", 3)[3]: line.split(" ", 3)[:3] for line in listed.splitlines()}
    for secret in ("secret.key", "ssh/id_ed25519", "tls/ca.key", "tls/server.key", "machine/zcloud/cli.json"):
        assert facts[f"/var/lib/zcloud/{secret}"] == ["600", "zcloud:zcloud", "f"]
    assert facts["/var/lib/zcloud"] == ["750", "zcloud:zcloud", "d"]
    assert facts["/etc/zcloud"] == ["755", "root:root", "d"]
    assert facts["/etc/zcloud/zcloud.toml"] == ["640", "root:zcloud", "f"]
    assert facts["/etc/zcloud/ca.pem"] == ["644", "root:root", "f"]
    roots = ("/etc/zcloud", "/var/lib/zcloud/probe")  # probe and probe-kit: what root boots
    strangers = [path for path, fact in facts.items() if fact[1] != "zcloud:zcloud" and not path.startswith(roots)]
    assert strangers == []
    open_to_all = [path for path, (mode, _, kind) in facts.items() if kind != "l" and int(mode, 8) & 0o002]
    assert open_to_all == []


def test_guests_run_and_only_the_helper_is_root(service: Service, kvm_works: bool) -> None:
    service.zcloud("host", "add", "local", "--local")
    assert service.show("host", "show", "local")["accel"] == ("kvm" if NESTED or kvm_works else "tcg")
    service.zcloud("pool", "create", "default", "--host", "local", "--default")
    service.zcloud("network", "create", "default", "--host", "local", "--cidr", "192.168.150.0/24", "--default")
    service.zcloud("image", "import", GUEST, "--name", "tiny", "--public", "--user", "root")
    for name in ("web", "db"):  # not the order of their group below
        service.zcloud("launch", name, *SMALL, "--no-wait")
    service.until_ready("db", "web")
    service.zcloud("doctor")
    assert "table bridge zcloud" in service.run("nft", "list", "tables")
    uid, libvirt = service.uid("zcloud"), int(service.run("getent", "group", "libvirt").split(":")[2])
    ours = service.processes(VENV)
    helpers = [each for each in ours if "zcloud.hosts.helper" in each[3]]
    servers = [each for each in ours if each not in helpers]
    assert [each[1] for each in helpers] == [[0, 0, 0, 0]]
    assert servers
    for _, uids, groups, _ in servers:
        assert uids == [uid] * 4
        assert 0 not in groups
        assert libvirt in groups


def test_the_helper_serves_the_service_alone_and_from_its_list(service: Service) -> None:
    uid, socket = service.uid("zcloud"), "/run/zcloud/helper.sock"
    assert service.run("stat", "-c", "%a %U", socket) == "600 zcloud\n"
    assert service.ask_helper(uid, "id", "-u") == "done 0 0\n\n"
    stranger = service.uid(PERSON)
    assert service.ask_helper(stranger, "true").startswith("host_unreachable")
    service.run("chmod", "666", socket)
    assert service.ask_helper(stranger, "true").startswith("forbidden")
    service.run("chmod", "600", socket)
    link = "/var/lib/zcloud/uploads/link"
    service.run("ln", "-s", "/etc/shadow", link)
    for argv in (
        ["cat", "/etc/shadow"],
        ["cat", link],
        ["sh", "-c", "id"],
        ["chown", "0", "/etc/passwd"],
        ["rm", "/var/lib/zcloud/.."],
    ):
        assert service.ask_helper(uid, *argv).startswith("command_forbidden"), argv
    service.run("rm", link)


def test_a_killed_server_comes_back_and_ends_what_it_began(service: Service) -> None:
    before, server = service.guests(), service.main_pid("zcloud")
    service.zcloud("launch", "third", *SMALL, "--no-wait")
    service.run("kill", "-9", str(server))
    service.until(lambda: service.main_pid("zcloud") not in (0, server), "systemd starts the server again")
    service.until_it_answers()
    service.until_running("db", "third", "web")
    after = service.guests()
    assert len(after) == 3
    assert before.items() <= after.items()
    service.zcloud("delete", "third", "--yes", "--purge")


def test_neither_a_restart_nor_an_upgrade_touches_a_guest(service: Service) -> None:
    before = service.guests()
    service.run("systemctl", "restart", "zcloud", "zcloud-helper")
    service.until_it_answers()
    code, told = service.check_upgrade()
    assert (code, "backup: there is none" in told) == (2, True), told
    service.run("zcloud", "backup", "create", "/root/zcloud.backup")
    assert service.check_upgrade()[0] == 0, service.check_upgrade()
    service.upgrade()
    service.until_ready("db", "web")
    assert service.guests() == before


def test_a_reboot_stops_a_group_in_turn_and_starts_it_in_turn(service: Service) -> None:
    service.zcloud("group", "create", "shop")
    service.zcloud("group", "add", "shop", "db", "--order", "1")
    service.zcloud("group", "add", "shop", "web", "--order", "2")
    service.machine.reboot()
    service.until_it_answers()
    service.until_powered(("stop", "web"), ("stop", "db"), ("start", "db"), ("start", "web"))
    service.until_running("db", "web")
    assert len(service.guests()) == 2


def test_after_a_power_cut_each_guest_runs_once(service: Service) -> None:
    service.machine.cut_power()
    service.until_it_answers()
    service.until_powered(("start", "db"), ("start", "web"), ("start", "db"), ("start", "web"))
    service.until_running("db", "web")
    assert len(service.guests()) == 2
    service.zcloud("doctor")


def test_what_is_deleted_leaves_nothing_and_a_stopped_service_no_process(service: Service) -> None:
    service.zcloud("delete", "db", "web", "--yes", "--purge")
    service.zcloud("group", "delete", "shop", "--yes")
    service.zcloud("image", "delete", "tiny", "--yes")
    service.zcloud("network", "delete", "default", "--yes")
    service.zcloud("pool", "delete", "default", "--yes")
    service.zcloud("host", "remove", "local", "--yes")
    assert service.run("virsh", "list", "--all", "--name").strip() == ""
    left = service.run("sh", "-c", "ls /sys/class/net; ls -R /etc/libvirt/qemu; nft list tables")
    assert [line for line in left.splitlines() if re.search("zcloud|zbr-|zc-", line)] == []
    assert service.run("find", "/var/lib/libvirt/images", "-type", "f") == ""
    assert "Traceback" not in service.run("journalctl", "--no-pager", *(f"--unit={unit}" for unit in UNITS))
    service.run("systemctl", "stop", "zcloud-guests", "zcloud", "zcloud-helper")
    assert service.processes(VENV) == []
