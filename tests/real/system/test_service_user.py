"""A real installation on a host of its own: the server as its own user, root's work through the helper alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.system.installation import make_venv, server_packages

from zcloud.lab.hosts import Lab, NamespaceHost, wait_for

VENV = "/opt/zcloud"
PERSON = "ada"
SOCKET = "/run/zcloud/helper.sock"

_UMASK = ("sh", "-c", 'umask 027; exec "$@"', "sh")  # of the server's unit

# Printed by the distribution's Python inside the host: process id, real and effective user, command line.
_PROCESSES = """
import json, os, pathlib
found = []
for path in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        status, words = (path / "status").read_text(), (path / "cmdline").read_bytes().decode().split("\\0")
    except OSError:
        continue
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    groups = next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]
    found.append([int(path.name), [int(each) for each in uid], [int(each) for each in groups], " ".join(words)])
print(json.dumps(found))
"""

# Asks the helper for argv (after the uid to be) and prints its answer.
_ASK = """
import json, os, socket, sys
from zcloud.hosts import local
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
try:
    done = local.HelperRunner(lambda: local.connect_helper("/run/zcloud/helper.sock")).execute(sys.argv[2:], (), timeout_s=5)
    print("done", done.code, done.stdout.decode())
except Exception as error:
    print(getattr(error, "code", type(error).__name__), error)
"""  # noqa: E501


class Service:
    """A machine with zcloud installed as the documentation says, and a person who uses it."""

    def __init__(self, host: NamespaceHost, logs: Path) -> None:
        self.host, self.logs = host, logs
        self.told = ""
        self._running: list[subprocess.Popen[bytes]] = []

    def install(self) -> None:
        """Run ``zcloud init --system``."""
        argv = [f"{VENV}/bin/zcloud", "init", "--system", "--password-file", "/root/password"]
        self.told = self.host.run(argv).stdout

    def start(self) -> None:
        """Start what init said to start, word by word."""
        commands = [line.strip() for line in self.told.splitlines() if line.startswith("  ")]
        assert len(commands) == 2, self.told
        for number, command in enumerate(commands):
            argv = [*self.host.daemons.enter, "env", "-i", "PATH=/usr/sbin:/usr/bin"]
            argv += [*(_UMASK if "setpriv" in command else self._bounded()), *shlex.split(command)]
            with (self.logs / f"{number}.log").open("ab") as log:
                self._running.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        wait_for(lambda: self.ask_helper(self.uid("zcloud"), "true").startswith("done"), 20, "the helper answers")
        connect = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8443"]
        wait_for(lambda: self.host.run(connect, check=False).returncode == 0, 30, "the server listens")

    def _bounded(self) -> list[str]:
        """Give the prefix that leaves the helper the rights that its unit leaves it."""
        unit = self.host.path("/etc/systemd/system/zcloud-helper.service").read_text()
        found = re.search("^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
        assert found
        kept = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in found[1].split())
        return ["setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--no-new-privs"]

    def stop(self) -> None:
        """Stop the server, then the helper."""
        for words in ("zcloud serve", "zcloud.hosts.helper"):
            for pid, _, _, _ in self.processes(words):
                self.host.run(["kill", "-TERM", str(pid)])
        for process in self._running:
            process.wait(30)
        self._running = []

    def zcloud(self, *words: str, stdin: str = "") -> str:
        """Run a command as the person, who has no rights on the machine."""
        be = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--init-groups"]
        clean = ["env", "-i", f"HOME=/home/{PERSON}", "PATH=/usr/bin", "LC_ALL=C.UTF-8"]
        argv = ["timeout", "150", *be, *clean, f"{VENV}/bin/zcloud", *words]
        done = self.host.run(argv, stdin=stdin, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log())
        return done.stdout

    def show(self, *words: str) -> dict[str, object]:
        """Give what a command shows."""
        shown: dict[str, object] = json.loads(self.zcloud(*words, "-o", "json"))
        return shown

    def processes(self, words: str) -> list[tuple[int, list[int], list[int], str]]:
        """Give the host's processes with these words in their command line."""
        listed = json.loads(self.host.run(["/usr/bin/python3", "-c", _PROCESSES]).stdout)
        return [tuple(each) for each in listed if words in each[3] and "import json" not in each[3]]

    def ask_helper(self, uid: int, *argv: str) -> str:
        """Ask the helper as somebody and give its answer."""
        return self.host.run([f"{VENV}/bin/python", "-c", _ASK, str(uid), *argv]).stdout

    def uid(self, name: str) -> int:
        """Give a user's number in the host."""
        return int(self.host.run(["id", "-u", name]).stdout)

    def log(self) -> str:
        """Give the ends of helper's and server's log."""
        return "\n".join(f"{path.name}: {path.read_text()[-3000:]}" for path in sorted(self.logs.glob("*.log")))


@pytest.fixture(scope="module")
def service(
    wheel: Path, probe_kit: Path, kvm_works: bool, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Give a machine with zcloud installed and running."""
    if os.geteuid() != 0:
        pytest.skip("namespace hosts need root")
    assert (probe_kit / "sha256").exists()  # so the probe's kernel is in the cache
    with Lab(1, kvm=kvm_works) as lab:
        (host,) = lab.hosts
        shutil.copyfile(wheel, host.path("/root") / wheel.name)
        make_venv(host.run, VENV, host.path(VENV), f"/root/{wheel.name}", server_packages())
        host.run(["useradd", "--create-home", PERSON])
        shutil.copyfile(tiny_image, host.path(f"/home/{PERSON}/tiny.qcow2"))
        host.path(f"/home/{PERSON}/tiny.qcow2").chmod(0o644)
        made = Service(host, tmp_path_factory.mktemp("logs"))
        made.install()
        made.start()
        password = host.path("/root/password").read_text()
        words = ("--url", "https://127.0.0.1:8443", "--ca", "/etc/zcloud/ca.pem")
        made.zcloud("login", *words, "--user", "admin", "--password-stdin", stdin=password)
        yield made
        made.stop()


def test_it_says_each_change_and_a_second_time_there_is_none(service: Service) -> None:
    for name in ("zcloud.toml", "ca.pem", "zcloud.service", "zcloud-helper.service", "zcloud-guests.service"):
        assert re.search(rf"^Wrote /etc/\S*{re.escape(name)}\.$", service.told, re.MULTILINE), service.told
    assert "Made the system user zcloud" in service.told
    first = service.told
    service.install()
    again, service.told = service.told, first
    assert not re.search("^(Made|Wrote|Replaced|Gave|Changed)", again, re.MULTILINE), again
    assert "The user admin is there already." in again


def test_files_belong_to_whom_they_should(service: Service) -> None:
    listed = service.host.run(["find", "/var/lib/zcloud", "/etc/zcloud", "-printf", "%m %u:%g %y %p\n"]).stdout
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


def test_an_instance_lives_from_launch_to_delete(service: Service) -> None:
    host = service.host
    before = host.run(["sh", "-c", "ls /sys/class/net; ls -R /etc/libvirt/qemu; nft list tables"]).stdout
    service.zcloud("host", "add", "local", "--local")
    assert service.show("host", "show", "local")["accel"] in ("kvm", "tcg")
    service.zcloud("pool", "create", "default", "--host", "local", "--default")
    service.zcloud("network", "create", "default", "--host", "local", "--cidr", "192.168.150.0/24", "--default")
    service.zcloud("image", "import", f"/home/{PERSON}/tiny.qcow2", "--name", "tiny", "--public", "--user", "root")
    service.zcloud("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--wait=ready")
    web = service.show("instance", "show", "web")
    assert (web["status"], web["ready"]) == ("running", "ready"), service.log()
    assert "web:/#" in service.zcloud("instance", "log", "web")
    _only_the_helper_is_root(service)
    assert "table bridge zcloud" in host.run(["nft", "list", "tables"]).stdout
    service.zcloud("stop", "web")
    service.zcloud("start", "web")
    service.zcloud("delete", "web", "--yes", "--purge")
    service.zcloud("image", "delete", "tiny", "--yes")
    service.zcloud("network", "delete", "default", "--yes")
    service.zcloud("pool", "delete", "default", "--yes")
    service.zcloud("host", "remove", "local", "--yes")
    assert host.virsh("list", "--all", "--name").strip() == ""
    after = host.run(["sh", "-c", "ls /sys/class/net; ls -R /etc/libvirt/qemu; nft list tables"]).stdout
    assert [line for line in after.splitlines() if "zcloud" in line or "zbr-" in line or "zc-" in line] == [], before
    assert host.run(["find", "/var/lib/libvirt/images", "-type", "f"]).stdout == ""
    assert "Traceback" not in service.log()


def _only_the_helper_is_root(service: Service) -> None:
    ours = service.processes(VENV)
    uid = service.uid("zcloud")
    libvirt = int(service.host.run(["getent", "group", "libvirt"]).stdout.split(":")[2])
    helpers = [each for each in ours if "zcloud.hosts.helper" in each[3]]
    servers = [each for each in ours if each not in helpers]
    assert [each[1] for each in helpers] == [[0, 0, 0, 0]]
    assert servers
    for _, uids, groups, _ in servers:
        assert uids == [uid] * 4
        assert 0 not in groups
        assert libvirt in groups


def test_the_helper_serves_the_service_alone_and_from_its_list(service: Service) -> None:
    uid, stranger = service.uid("zcloud"), service.uid(PERSON)
    assert service.host.run(["stat", "-c", "%a %U", SOCKET]).stdout == "600 zcloud\n"
    assert service.ask_helper(uid, "id", "-u") == "done 0 0\n\n"
    assert service.ask_helper(stranger, "true").startswith("host_unreachable")
    service.host.run(["chmod", "666", SOCKET])
    try:
        assert service.ask_helper(stranger, "true").startswith("forbidden")
    finally:
        service.host.run(["chmod", "600", SOCKET])
    for argv in (
        ["cat", "/etc/shadow"],
        ["sh", "-c", "id"],
        ["chown", "0", "/etc/passwd"],
        ["rm", "/var/lib/zcloud/.."],
    ):
        assert service.ask_helper(uid, *argv).startswith("command_forbidden"), argv


def test_a_link_does_not_lead_the_helper_out(service: Service) -> None:
    service.host.run(["ln", "-s", "/etc/shadow", "/var/lib/zcloud/uploads/link"])
    try:
        assert service.ask_helper(service.uid("zcloud"), "cat", "/var/lib/zcloud/uploads/link").startswith(
            "command_forbidden"
        )
    finally:
        service.host.run(["rm", "/var/lib/zcloud/uploads/link"])


def test_a_stopped_service_leaves_no_process_and_starts_again(service: Service) -> None:
    service.stop()
    assert service.processes(VENV) == []
    service.start()
    assert service.show("whoami")["name"] == "admin"
