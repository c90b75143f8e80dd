"""Installing from a CD over fake hosts: what the machine boots, what it is told, and what is left afterwards."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from tests import builders

from zcloud.domain.errors import InvalidInput
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import InstanceSpec, InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.drivers.guest.seed import build_volume
from zcloud.libvirtxml.domain import Domain
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

_DISC = build_volume("D", {"linux": b"kernel" * 1000, "initrd.gz": b"initrd!"})
_SPEC = InstanceSpec(name="fresh", image="", vcpus=1, memory_mib=256, root_size=1 << 30, install=InstallRequest("disc"))
_PRESEED = "# mine\nd-i passwd/root-password password secret-word\n"


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    digest = hashlib.sha256(_DISC).hexdigest()
    (made.config.image_dir / f"{digest}.iso").write_bytes(_DISC)
    image = builders.image(name="disc", digest=digest, format="iso", size=len(_DISC), virtual_size=len(_DISC))
    made.store.transact(lambda tx: tx.images.add(image))
    yield made
    made.stop()


def test_a_kernel_of_the_cd_boots_with_answers_and_then_the_disk_does(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    (link,) = cloud.links.hosts.values()
    defined: list[Domain] = []
    initrds: list[bytes] = []
    define = link.hypervisor.define

    def watch(xml: str) -> None:
        defined.append(domain := Domain.parse(xml))
        if domain.os.initrd:
            initrds.append(bytes(link.shell.disk.file(domain.os.initrd).data))
        define(xml)

    monkeypatch.setattr(link.hypervisor, "define", watch)
    spec = replace(_SPEC, install=InstallRequest("disc", cmdline="mirror=x"), answers=_PRESEED)
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    ended = cloud.wait(operation)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    assert "secret-word" not in repr(ended)
    first, last = defined[0], defined[-1]
    assert first.on_reboot == "destroy"
    assert str(first.os.cmdline).endswith("auto=true priority=critical mirror=x")
    assert initrds[0].startswith(b"initrd!\x00" + b"070701")
    assert b"secret-word" in initrds[0]
    assert (last.on_reboot, last.os.kernel, last.os.cmdline) == ("restart", None, None)
    now = cloud.instances.show(ADMIN, "", "fresh").instance
    assert (now.status, now.incarnation, now.cd_image_id) == (InstanceStatus.RUNNING, 2, None)
    assert now.installed["media"] == "disc"
    assert [path for path in link.shell.disk.files if instance.id in path and "artifacts" in path] == []


def test_without_answers_the_cd_itself_boots(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    (link,) = cloud.links.hosts.values()
    defined: list[Domain] = []
    define = link.hypervisor.define

    def watch(xml: str) -> None:
        defined.append(Domain.parse(xml))
        define(xml)

    monkeypatch.setattr(link.hypervisor, "define", watch)
    _, operation = cloud.launch.launch(ADMIN, "", _SPEC)
    assert cloud.wait(operation).status is OperationStatus.SUCCEEDED
    orders = [{disk.device: disk.boot_order for disk in each.disks} for each in (defined[0], defined[-1])]
    assert orders == [{"disk": 2, "cdrom": 1}, {"disk": 1, "cdrom": None}]


def test_an_installer_that_crashes_has_failed_and_leaves_nothing(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    (link,) = cloud.links.hosts.values()
    monkeypatch.setattr(link.hypervisor, "shutdown", link.hypervisor.crash)
    instance, operation = cloud.launch.launch(ADMIN, "", _SPEC)
    ended = cloud.wait(operation)
    assert ended.error is not None
    assert ended.error["code"] == "install_failed"
    assert "crashed" in ended.error["message"]
    assert instance.id not in link.hypervisor.domains
    assert [path for path in link.shell.disk.files if instance.id in path] == []


class _Tree(http.server.SimpleHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {"/12/linux": b"kernel", "/12/initrd.gz": b"initrd!"}

    def do_GET(self) -> None:
        body = self.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def tree() -> Iterator[str]:
    """Give the address of a tree on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tree) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/12/"
        server.shutdown()
        thread.join()


def _sums(*names: str) -> list[str]:
    return [f"sha256:{hashlib.sha256(_Tree.files[f'/12/{name}']).hexdigest()}" for name in names]


def test_kernel_and_initrd_come_from_a_tree(cloud: FakeCloud, tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (link,) = cloud.links.hosts.values()
    object.__setattr__(cloud.config, "images", replace(cloud.config.images, allow_private=("127.0.0.0/8",)))
    defined: list[Domain] = []
    booted: list[bytes] = []
    define = link.hypervisor.define

    def watch(xml: str) -> None:
        defined.append(domain := Domain.parse(xml))
        if domain.os.kernel and domain.os.initrd:
            booted.extend(bytes(link.shell.disk.file(each).data) for each in (domain.os.kernel, domain.os.initrd))
        define(xml)

    monkeypatch.setattr(link.hypervisor, "define", watch)
    kernel, initrd = _sums("linux", "initrd.gz")
    install = InstallRequest(tree=tree, kernel_checksum=kernel, initrd_checksum=initrd)
    spec = replace(_SPEC, install=install, answers="lang en_US\nreboot\n")
    ended = cloud.wait(cloud.launch.launch(ADMIN, "", spec)[1])
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    assert booted == [b"kernel", b"initrd!"]
    assert str(defined[0].os.cmdline).endswith(f"inst.text inst.repo={tree}")
    assert cloud.instances.show(ADMIN, "", "fresh").instance.installed["media"] == tree
    assert list(cloud.config.upload_dir.iterdir()) == []

    for name, wrong, told in (
        ("other", replace(install, kernel_checksum=initrd), "expected checksum"),
        ("third", replace(install, tree=f"{tree}absent"), "no kernel of an installer"),
    ):
        ended = cloud.wait(cloud.launch.launch(ADMIN, "", replace(spec, name=name, install=wrong))[1])
        assert told in dict(ended.error or {})["message"]
    assert len(link.hypervisor.domains) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": "tiny"}, "an image, or a medium"),
        ({"install": None}, "an image, or a medium"),
        ({"root_size": 0}, "how large the disk"),
        ({"answers": "hello"}, "no preseed, kickstart"),
        ({"answers": "d-i passwd/x nonsense y"}, "Line 1 of the preseed"),
        ({"answers": "lang en_US\n%post\necho\n"}, "has no %end"),
        ({"answers": "autoinstall:\n  version: 2\n"}, "version: 1"),
        ({"answers": "<unattend/>"}, "root is not"),
        ({"install": InstallRequest("tiny")}, "not a CD"),
        ({"install": InstallRequest("disc", kernel="../x", initrd="y")}, "not a path"),
        ({"install": InstallRequest("disc", tree="https://x.test/a")}, "or the address of a tree"),
        ({"install": InstallRequest(tree="ftp://x.test/a")}, "like https"),
        ({"install": InstallRequest(tree='https://x.test/" init=/bin/sh')}, "like https"),
        ({"install": InstallRequest(tree="https://me:secret@x.test/a")}, "user name or password"),
        ({"install": InstallRequest(tree="https://x.test/a?token=secret")}, "user name or password"),
        ({"install": InstallRequest(tree="http://x.test/a")}, "over http"),
        ({"install": InstallRequest(tree="https://x.test/a", kernel_checksum="sha256:1")}, "sha256:…"),
        ({"install": InstallRequest("disc", kernel_checksum="sha256:" + "0" * 64)}, "of a tree's file"),
        ({"user_data": "#cloud-config\n"}, "its answer file has them"),
    ],
)
def test_what_cannot_be_installed_is_refused(cloud: FakeCloud, change: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        cloud.launch.launch(ADMIN, "", replace(_SPEC, **change))  # type: ignore[arg-type]
