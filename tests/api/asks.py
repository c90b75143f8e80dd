"""One request for every route: what it takes to succeed. The tests of access and of happy paths are made of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from tests import builders
from tests.api.conftest import THEIRS, Cloud

from zcloud.base.ids import new_id
from zcloud.domain.claims import BYTES
from zcloud.domain.group import Group, Member
from zcloud.domain.host import HostState
from zcloud.domain.image import Image, ImageState
from zcloud.domain.instance import Flavor, Instance, InstanceStatus
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import SecondFactor, SshKey, Token
from zcloud.domain.schedule import SnapshotSchedule
from zcloud.domain.snapshot import Snapshot, SnapshotState
from zcloud.domain.storage import Volume, VolumeRole
from zcloud.drivers.hostdisks import COLUMNS, parse_disks
from zcloud.services import codes
from zcloud.store import Tx
from zcloud.testing.fakes import FakeShell

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Dcyui7IRzE1bbVJNdfzcqyXBlgAjUOe5VFjwYTFhY me@here"
FINGERPRINT = "SHA256:offered"
CODE = "abcd-efgh-ijkl-mnop"
EMPTY_DISK = parse_disks(FakeShell().run(["lsblk", "-J", "-b", "-o", COLUMNS]).stdout)[1].digest


@dataclass(frozen=True, slots=True)
class Stock:
    """Things that only these requests need."""

    mine: Image  # in home, nothing is based on it
    waiting: Image  # in home, for its upload
    sent: Image  # in home, all its bytes are there
    pulling: Image  # in home, being downloaded
    resting: Image  # in home, its download is paused
    blocked: Operation  # in home
    held: Instance  # in home, paused
    kept: Instance  # in home, saved
    mobile: Instance  # in home, off, with a root volume
    whole: Instance  # in home, running, with a root volume
    trashed: Instance  # in home
    adopted: Instance  # in home, stopped
    plugged: Volume  # a data disk of the stopped instance
    group: Group  # of the instance in home that is paused


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: ``path`` is formatted with the cloud ``c``, its stock ``s`` and the user's name ``u``."""

    status: int
    path: str
    json: Any = None
    content: bytes | None = None

    def send(self, cloud: Cloud, stock: Stock, user: str, method: str) -> Any:
        """Send it as a user."""
        path = self.path.format(c=cloud, s=stock, u=user)
        options = {"content": self.content} if self.content is not None else {"json": self.json}
        return cloud.call(user, method, path, **options)


def stock(cloud: Cloud) -> Stock:
    """Add the things, and to every user a key, a token and a second session named after the user."""

    def work(tx: Tx) -> Stock:
        tx.hosts.add(builders.host(name="berta"))
        tx.hosts.add(builders.host(name="mislaid", state=HostState.LOST))
        tx.hosts.add(
            builders.host(name="carla", inventory={"offered_key": "ssh-ed25519 A", "offered_fingerprint": FINGERPRINT})
        )
        idle = builders.pool(name="idle", host_id=cloud.host.id, is_default=False, options={"path": "/srv/idle"})
        tx.claims.set_capacity(tx.pools.add(idle).ref, {BYTES: 1 << 40})
        thin = builders.pool(name="thin", driver="lvmthin", host_id=cloud.host.id, options={"volume_group": "vg0"})
        tx.pools.add(replace(thin, is_default=False))
        tx.networks.add(builders.network(name="quiet", cidr="10.8.0.0/16", is_default=False, host_id=cloud.host.id))
        tx.foreign.add(builders.foreign(cloud.host.id, name="old-mail", uuid=f"{THEIRS}{new_id()[8:]}"))
        tx.ports.fence(cloud.network.id, "10.9.0.77", "", cloud.host.id)
        tx.projects.add(builders.project(name="empty"))
        tx.flavors.add(Flavor("gone", 1, 512, 0))
        tx.users.add(builders.user(name="leaver"))
        for user in tx.users.all():
            name = f"{user.name}-own"
            tx.ssh_keys.add(SshKey(new_id(), user.id, name, KEY, "SHA256:x", tx.now))
            digest = hashlib.sha256(f"zct_{user.name}".encode()).hexdigest()
            tx.tokens.add(Token(new_id(), digest, name, user.id, None, None, None, None, tx.now))
            tx.secrets.put(codes.KIND, user.id, codes.new_key())
            tx.second_factors.put(SecondFactor(user.id, None, recovery=(codes.digest(CODE),)))
            session = tx.sessions.of_user(user.id)
            if session:
                tx.sessions.add(replace(session[0], id=name, digest=name))
        home = cloud.home.id

        def instance(name: str, **changes: Any) -> Instance:
            made = tx.instances.add(builders.instance(home, cloud.host.id, cloud.image.id, name=name, **changes))
            root = builders.volume(home, cloud.pool.id, name=f"{name}-root", role=VolumeRole.ROOT, slot=0)
            tx.volumes.add(replace(root, instance_id=made.id))
            return made

        def pulled(name: str, state: ImageState) -> Image:
            image = builders.image(name=name, project_id=home, state=state, source={"kind": "url", "url": "https://x"})
            imports = builders.operation(
                workflow="image_import_v1", verb="import", resource_kind="image", resource_id=image.id, project_id=home
            )
            return tx.images.add(replace(image, operation_id=tx.operations.add(imports).id))

        sent = tx.images.add(builders.image(name="sent", project_id=home, state=ImageState.WAITING))
        (cloud.upload_dir / f"{sent.id}.part").write_bytes(b"QFI\xfb" * 9)
        blocked = builders.operation(project_id=home, status=OperationStatus.BLOCKED)
        held = instance("held", status=InstanceStatus.PAUSED)
        group = tx.groups.add(Group(new_id(), "team", home, None, tx.now))
        tx.groups.put(Member(held.id, group.id, 1))
        whole = instance(
            "whole", status=InstanceStatus.RUNNING, hardware={"screen": "vnc"}, driver_image_id=cloud.image.id
        )
        tx.images.add(builders.image(name="disc", project_id=home, format="iso"))
        tx.snapshots.add(
            Snapshot(new_id(), whole.id, "before", None, SnapshotState.READY, quiesced=True, created_by="x",
                     created_at=tx.now, disks={})
        )  # fmt: skip
        tx.schedules.add(
            SnapshotSchedule(new_id(), "nightly", home, None, "web", 0, "03:00", 7, None, "x", created_at=tx.now)
        )
        return Stock(
            group=group,
            mine=tx.images.add(builders.image(name="mine", project_id=home)),
            waiting=tx.images.add(builders.image(name="waiting", project_id=home, state=ImageState.WAITING)),
            sent=sent,
            pulling=pulled("pulling", ImageState.IMPORTING),
            resting=pulled("resting", ImageState.PAUSED),
            blocked=tx.operations.add(blocked),
            held=held,
            kept=instance("kept", status=InstanceStatus.SAVED, hardware={"saved": {"accel": "tcg", "was": "running"}}),
            adopted=tx.instances.add(
                builders.instance(
                    home, cloud.host.id, None, name="taken", hardware={"adopted": {"at": tx.now.isoformat()}}
                )
            ),
            trashed=instance(
                "old~1", status=InstanceStatus.TRASHED, hardware={"trash": {"at": tx.now.isoformat(), "name": "old"}}
            ),
            mobile=instance("mobile", status=InstanceStatus.STOPPED),
            whole=whole,
            plugged=tx.volumes.add(builders.volume(home, cloud.pool.id, instance_id=cloud.instance.id, slot=1)),
        )

    return cloud.store.transact(work)


_PASSWORD = "correct horse battery"
EDITED = "<domain><title>new</title><devices/></domain>"
INSTANCE = {"name": "new", "image": "debian-12", "flavor": "small", "project": "default"}

ASKS: dict[tuple[str, str], Ask] = {
    ("GET", "/"): Ask(200, "/"),
    ("GET", "/healthz"): Ask(200, "/healthz"),
    ("GET", "/readyz"): Ask(200, "/readyz"),
    ("GET", "/metrics"): Ask(200, "/metrics"),
    ("GET", "/v1/openapi.json"): Ask(200, "/v1/openapi.json"),
    ("POST", "/v1/login"): Ask(201, "/v1/login", {"name": "viewer", "password": _PASSWORD}),
    ("POST", "/v1/logout"): Ask(204, "/v1/logout"),
    ("GET", "/v1/me"): Ask(200, "/v1/me"),
    ("POST", "/v1/me/password"): Ask(204, "/v1/me/password", {"old": _PASSWORD, "new": "a long one indeed"}),
    ("GET", "/v1/me/second-factor"): Ask(200, "/v1/me/second-factor"),
    ("POST", "/v1/me/second-factor"): Ask(201, "/v1/me/second-factor", {"password": _PASSWORD}),
    ("POST", "/v1/me/second-factor/confirm"): Ask(200, "/v1/me/second-factor/confirm", {"code": CODE}),
    ("POST", "/v1/me/second-factor/remove"): Ask(204, "/v1/me/second-factor/remove", {"code": CODE}),
    ("GET", "/v1/sessions"): Ask(200, "/v1/sessions"),
    ("DELETE", "/v1/sessions/{id}"): Ask(204, "/v1/sessions/{u}-own"),
    ("GET", "/v1/tokens"): Ask(200, "/v1/tokens"),
    ("POST", "/v1/tokens"): Ask(201, "/v1/tokens", {"name": "ci", "role": None, "expires_at": "2099-01-01T00:00:00Z"}),
    ("DELETE", "/v1/tokens/{ref}"): Ask(204, "/v1/tokens/{u}-own"),
    ("GET", "/v1/keys"): Ask(200, "/v1/keys"),
    ("POST", "/v1/keys"): Ask(201, "/v1/keys", {"name": "laptop", "public_key": KEY}),
    ("DELETE", "/v1/keys/{ref}"): Ask(204, "/v1/keys/{u}-own"),
    ("GET", "/v1/users"): Ask(200, "/v1/users"),
    ("POST", "/v1/users"): Ask(201, "/v1/users", {"name": "newcomer", "password": "a long enough one"}),
    ("GET", "/v1/users/{ref}"): Ask(200, "/v1/users/leaver"),
    ("PATCH", "/v1/users/{ref}"): Ask(200, "/v1/users/leaver", {"disabled": True, "role": "viewer"}),
    ("DELETE", "/v1/users/{ref}/second-factor"): Ask(204, "/v1/users/leaver/second-factor"),
    ("DELETE", "/v1/users/{ref}"): Ask(204, "/v1/users/leaver"),
    ("GET", "/v1/projects"): Ask(200, "/v1/projects"),
    ("POST", "/v1/projects"): Ask(201, "/v1/projects", {"name": "fresh", "quota": {"vcpus": 4}}),
    ("GET", "/v1/projects/{ref}"): Ask(200, "/v1/projects/default"),
    ("PATCH", "/v1/projects/{ref}"): Ask(200, "/v1/projects/empty", {"quota": {"instances": 3}}),
    ("DELETE", "/v1/projects/{ref}"): Ask(204, "/v1/projects/empty"),
    ("PUT", "/v1/projects/{ref}/members/{user}"): Ask(204, "/v1/projects/empty/members/leaver", {"role": "member"}),
    ("DELETE", "/v1/projects/{ref}/members/{user}"): Ask(204, "/v1/projects/default/members/viewer"),
    ("GET", "/v1/hosts"): Ask(200, "/v1/hosts"),
    ("POST", "/v1/hosts"): Ask(202, "/v1/hosts", {"name": "dora", "address": "192.0.2.7"}),
    ("GET", "/v1/hosts/{ref}"): Ask(200, "/v1/hosts/anton"),
    ("PATCH", "/v1/hosts/{ref}"): Ask(200, "/v1/hosts/anton", {"cpu_ratio": 2.0}),
    ("DELETE", "/v1/hosts/{ref}"): Ask(202, "/v1/hosts/berta"),
    ("GET", "/v1/hosts/{ref}/loss"): Ask(200, "/v1/hosts/mislaid/loss"),
    ("POST", "/v1/hosts/{ref}/forget"): Ask(202, "/v1/hosts/mislaid/forget"),
    ("POST", "/v1/hosts/{ref}/approve"): Ask(202, "/v1/hosts/carla/approve", {"fingerprint": FINGERPRINT}),
    ("POST", "/v1/hosts/{ref}/refresh"): Ask(202, "/v1/hosts/anton/refresh"),
    ("GET", "/v1/hosts/{ref}/orphans"): Ask(200, "/v1/hosts/anton/orphans"),
    ("GET", "/v1/hosts/{ref}/domains"): Ask(200, "/v1/hosts/anton/domains"),
    ("GET", "/v1/hosts/{ref}/domains/{domain}/adoption"): Ask(
        200, "/v1/hosts/anton/domains/old-mail/adoption?project=default"
    ),
    ("POST", "/v1/hosts/{ref}/domains/{domain}/adopt"): Ask(
        202, "/v1/hosts/anton/domains/old-mail/adopt", {"name": "mail", "project": "default"}
    ),
    ("GET", "/v1/hosts/{ref}/disks"): Ask(200, "/v1/hosts/anton/disks"),
    ("GET", "/v1/hosts/{ref}/disks/{disk}/preparation"): Ask(
        200, "/v1/hosts/anton/disks/vdb/preparation?mount=/srv/fast"
    ),
    ("POST", "/v1/hosts/{ref}/disks/{disk}/prepare"): Ask(
        202, "/v1/hosts/anton/disks/vdb/prepare", {"mount": "/srv/fast", "digest": EMPTY_DISK}
    ),
    ("POST", "/v1/hosts/{ref}/disks/release"): Ask(202, "/v1/hosts/anton/disks/release", {"mount": "/srv/slow"}),
    ("POST", "/v1/hosts/{ref}/guests/stop"): Ask(202, "/v1/hosts/anton/guests/stop", {"deadline_s": 30}),
    ("POST", "/v1/hosts/{ref}/guests/start"): Ask(202, "/v1/hosts/anton/guests/start"),
    ("GET", "/v1/pools"): Ask(200, "/v1/pools"),
    ("POST", "/v1/pools"): Ask(202, "/v1/pools", {"name": "more", "host": "anton", "options": {"path": "/srv/more"}}),
    ("GET", "/v1/pools/{ref}"): Ask(200, "/v1/pools/local"),
    ("PATCH", "/v1/pools/{ref}"): Ask(200, "/v1/pools/local", {"overcommit": 3.5}),
    ("POST", "/v1/pools/{ref}/refresh"): Ask(202, "/v1/pools/local/refresh"),
    ("POST", "/v1/pools/{ref}/grow"): Ask(202, "/v1/pools/thin/grow", {"size": 1 << 40}),
    ("DELETE", "/v1/pools/{ref}"): Ask(202, "/v1/pools/idle"),
    ("GET", "/v1/groups"): Ask(200, "/v1/groups"),
    ("POST", "/v1/groups"): Ask(201, "/v1/groups", {"name": "more", "project": "default"}),
    ("GET", "/v1/groups/{ref}"): Ask(200, "/v1/groups/{s.group.id}"),
    ("PATCH", "/v1/groups/{ref}"): Ask(200, "/v1/groups/{s.group.id}", {"name": "other"}),
    ("DELETE", "/v1/groups/{ref}"): Ask(204, "/v1/groups/{s.group.id}"),
    ("PUT", "/v1/groups/{ref}/members/{instance}"): Ask(
        200, "/v1/groups/{s.group.id}/members/{c.instance.id}", {"order": 2}
    ),
    ("DELETE", "/v1/groups/{ref}/members/{instance}"): Ask(200, "/v1/groups/{s.group.id}/members/{s.held.id}"),
    ("POST", "/v1/groups/{ref}/start"): Ask(202, "/v1/groups/{s.group.id}/start"),
    ("POST", "/v1/groups/{ref}/stop"): Ask(202, "/v1/groups/{s.group.id}/stop"),
    ("GET", "/v1/volumes"): Ask(200, "/v1/volumes"),
    ("POST", "/v1/volumes"): Ask(202, "/v1/volumes", {"name": "more", "size": 1 << 30, "project": "default"}),
    ("GET", "/v1/volumes/{ref}"): Ask(200, "/v1/volumes/{c.volume.id}"),
    ("PATCH", "/v1/volumes/{ref}"): Ask(200, "/v1/volumes/{c.volume.id}", {"name": "other"}),
    ("POST", "/v1/volumes/{ref}/resize"): Ask(202, "/v1/volumes/{c.volume.id}/resize", {"size": 2 << 30}),
    ("POST", "/v1/volumes/{ref}/move"): Ask(202, "/v1/volumes/{c.volume.id}/move", {"pool": "idle"}),
    ("POST", "/v1/volumes/{ref}/clone"): Ask(202, "/v1/volumes/{c.volume.id}/clone", {"name": "copy"}),
    ("DELETE", "/v1/volumes/{ref}"): Ask(202, "/v1/volumes/{c.volume.id}"),
    ("GET", "/v1/networks"): Ask(200, "/v1/networks"),
    ("POST", "/v1/networks"): Ask(202, "/v1/networks", {"name": "inner", "host": "anton", "cidr": "10.77.0.0/24"}),
    ("GET", "/v1/networks/{ref}"): Ask(200, "/v1/networks/lan"),
    ("PATCH", "/v1/networks/{ref}"): Ask(
        200, "/v1/networks/lan", {"ranges": [{"first": "10.9.1.1", "last": "10.9.1.9"}], "dns": ["10.9.0.1"]}
    ),
    ("DELETE", "/v1/networks/{ref}"): Ask(202, "/v1/networks/quiet"),
    ("GET", "/v1/networks/{ref}/records"): Ask(200, "/v1/networks/lan/records?form=zone"),
    ("GET", "/v1/images"): Ask(200, "/v1/images"),
    ("POST", "/v1/images"): Ask(
        202,
        "/v1/images",
        {"name": "pulled", "project": "default", "source": {"kind": "url", "url": "https://x.test/i"}},
    ),
    ("GET", "/v1/images/{ref}"): Ask(200, "/v1/images/{s.mine.id}"),
    ("GET", "/v1/uploads"): Ask(200, "/v1/uploads"),
    ("GET", "/v1/images/{id}/upload"): Ask(200, "/v1/images/{s.waiting.id}/upload"),
    ("PUT", "/v1/images/{id}/upload"): Ask(200, "/v1/images/{s.waiting.id}/upload?offset=0", content=b"QFI\xfb" * 9),
    ("POST", "/v1/images/{id}/upload/finish"): Ask(202, "/v1/images/{s.sent.id}/upload/finish", {}),
    ("POST", "/v1/images/{ref}/pause"): Ask(202, "/v1/images/{s.pulling.id}/pause"),
    ("POST", "/v1/images/{ref}/resume"): Ask(202, "/v1/images/{s.resting.id}/resume"),
    ("DELETE", "/v1/images/{ref}"): Ask(202, "/v1/images/{s.mine.id}"),
    ("GET", "/v1/catalogue"): Ask(200, "/v1/catalogue"),
    ("GET", "/v1/os"): Ask(200, "/v1/os"),
    ("GET", "/v1/os/{ref}"): Ask(200, "/v1/os/debian13"),
    ("GET", "/v1/flavors"): Ask(200, "/v1/flavors"),
    ("POST", "/v1/flavors"): Ask(201, "/v1/flavors", {"name": "huge", "vcpus": 64, "memory_mib": 65536}),
    ("GET", "/v1/flavors/{ref}"): Ask(200, "/v1/flavors/small"),
    ("DELETE", "/v1/flavors/{ref}"): Ask(204, "/v1/flavors/gone"),
    ("GET", "/v1/instances"): Ask(200, "/v1/instances"),
    ("POST", "/v1/instances"): Ask(202, "/v1/instances", INSTANCE),
    ("GET", "/v1/instances/{ref}"): Ask(200, "/v1/instances/{c.instance.id}"),
    ("PATCH", "/v1/instances/{ref}"): Ask(
        200, "/v1/instances/{c.instance.id}", {"protected": True, "on_boot": "start", "tags": ["b", "a"]}
    ),
    ("DELETE", "/v1/instances/{ref}"): Ask(202, "/v1/instances/{c.instance.id}?keep=all"),
    ("POST", "/v1/instances/{ref}/start"): Ask(202, "/v1/instances/{c.instance.id}/start"),
    ("POST", "/v1/instances/{ref}/stop"): Ask(202, "/v1/instances/{c.running.id}/stop", {"force": True}),
    ("POST", "/v1/instances/{ref}/restart"): Ask(202, "/v1/instances/{c.running.id}/restart"),
    ("PATCH", "/v1/instances/{ref}/hardware"): Ask(
        202, "/v1/instances/{c.instance.id}/hardware", {"set": {"watchdog": "i6300esb"}}
    ),
    ("POST", "/v1/instances/{ref}/resize"): Ask(202, "/v1/instances/{c.instance.id}/resize", {"vcpus": 2}),
    ("POST", "/v1/instances/actions"): Ask(
        202, "/v1/instances/actions", {"verb": "stop", "which": {"names": ["whole"]}, "project": "default"}
    ),
    ("GET", "/v1/instances/{ref}/xml"): Ask(200, "/v1/instances/{s.whole.id}/xml"),
    ("PUT", "/v1/instances/{ref}/xml"): Ask(202, "/v1/instances/{s.whole.id}/xml", {"xml": EDITED}),
    ("GET", "/v1/instances/{ref}/screenshot"): Ask(200, "/v1/instances/{s.whole.id}/screenshot"),
    ("GET", "/v1/instances/{ref}/guest/filesystems"): Ask(200, "/v1/instances/{s.whole.id}/guest/filesystems"),
    ("GET", "/v1/instances/{ref}/guest/info"): Ask(200, "/v1/instances/{s.whole.id}/guest/info"),
    ("POST", "/v1/instances/{ref}/guest/trim"): Ask(200, "/v1/instances/{s.whole.id}/guest/trim"),
    ("POST", "/v1/instances/{ref}/guest/time"): Ask(204, "/v1/instances/{s.whole.id}/guest/time"),
    ("POST", "/v1/instances/{ref}/guest/password"): Ask(
        204, "/v1/instances/{s.whole.id}/guest/password", {"user": "root", "password": _PASSWORD}
    ),
    ("POST", "/v1/instances/{ref}/guest/freeze"): Ask(202, "/v1/instances/{s.whole.id}/guest/freeze", {"seconds": 5}),
    ("POST", "/v1/instances/{ref}/guest/thaw"): Ask(202, "/v1/instances/{s.whole.id}/guest/thaw"),
    ("POST", "/v1/instances/{ref}/guest/commands"): Ask(
        201, "/v1/instances/{s.whole.id}/guest/commands", {"command": ["/bin/true"]}
    ),
    ("GET", "/v1/instances/{ref}/guest/commands/{pid}"): Ask(200, "/v1/instances/{s.whole.id}/guest/commands/7"),
    ("POST", "/v1/instances/{ref}/guest/file"): Ask(
        200, "/v1/instances/{s.whole.id}/guest/file", {"path": "/etc/hostname"}
    ),
    ("POST", "/v1/instances/{ref}/keys"): Ask(204, "/v1/instances/{s.whole.id}/keys", {"keys": ["ctrl-alt-del"]}),
    ("POST", "/v1/instances/{ref}/insert"): Ask(202, "/v1/instances/{s.whole.id}/insert", {"image": "disc"}),
    ("POST", "/v1/instances/{ref}/eject"): Ask(202, "/v1/instances/{s.whole.id}/eject"),
    ("POST", "/v1/instances/{ref}/forget"): Ask(204, "/v1/instances/{s.adopted.id}/forget"),
    ("POST", "/v1/instances/{ref}/move"): Ask(202, "/v1/instances/{s.mobile.id}/move", {"pool": "idle"}),
    ("POST", "/v1/instances/{ref}/clone"): Ask(202, "/v1/instances/{s.whole.id}/clone", {"names": ["twin"]}),
    ("POST", "/v1/instances/{ref}/template"): Ask(202, "/v1/instances/{c.instance.id}/template", {}),
    ("POST", "/v1/instances/{ref}/customize"): Ask(
        202,
        "/v1/instances/{c.instance.id}/customize",
        {"hostname": "new", "files": [{"path": "/etc/x", "content": "eA=="}]},
    ),
    ("GET", "/v1/instances/{ref}/snapshots"): Ask(200, "/v1/instances/{s.whole.id}/snapshots"),
    ("POST", "/v1/instances/{ref}/snapshots"): Ask(202, "/v1/instances/{s.held.id}/snapshots", {"name": "new"}),
    ("POST", "/v1/instances/{ref}/snapshots/{snapshot}/revert"): Ask(
        202, "/v1/instances/{s.whole.id}/snapshots/before/revert"
    ),
    ("DELETE", "/v1/instances/{ref}/snapshots/{snapshot}"): Ask(202, "/v1/instances/{s.whole.id}/snapshots/before"),
    ("GET", "/v1/snapshot-schedules"): Ask(200, "/v1/snapshot-schedules"),
    ("POST", "/v1/snapshot-schedules"): Ask(
        201, "/v1/snapshot-schedules", {"instance": "held", "project": "default", "every_h": 6, "keep": 3}
    ),
    ("PATCH", "/v1/snapshot-schedules/{ref}"): Ask(
        200, "/v1/snapshot-schedules/nightly?project=default", {"every_h": 12, "keep": 2}
    ),
    ("DELETE", "/v1/snapshot-schedules/{ref}"): Ask(204, "/v1/snapshot-schedules/nightly?project=default"),
    ("POST", "/v1/instances/{ref}/rename"): Ask(202, "/v1/instances/{c.instance.id}/rename", {"name": "other"}),
    ("POST", "/v1/instances/{ref}/pause"): Ask(202, "/v1/instances/{c.running.id}/pause"),
    ("POST", "/v1/instances/{ref}/resume"): Ask(202, "/v1/instances/{s.held.id}/resume"),
    ("POST", "/v1/instances/{ref}/reset"): Ask(202, "/v1/instances/{c.running.id}/reset"),
    ("POST", "/v1/instances/{ref}/save"): Ask(202, "/v1/instances/{s.whole.id}/save"),
    ("POST", "/v1/instances/{ref}/restore"): Ask(202, "/v1/instances/{s.kept.id}/restore"),
    ("POST", "/v1/instances/{ref}/discard-saved"): Ask(202, "/v1/instances/{s.kept.id}/discard-saved"),
    ("GET", "/v1/instances/{ref}/disks"): Ask(200, "/v1/instances/{c.instance.id}/disks"),
    ("POST", "/v1/instances/{ref}/disks"): Ask(
        202, "/v1/instances/{c.running.id}/disks", {"volume": "spare", "limits": {"total_iops": 100}}
    ),
    ("PATCH", "/v1/instances/{ref}/disks/{disk}"): Ask(
        202, "/v1/instances/{c.instance.id}/disks/{s.plugged.id}", {"limits": {"read_bytes": 1000, "burst_s": 0}}
    ),
    ("DELETE", "/v1/instances/{ref}/disks/{disk}"): Ask(202, "/v1/instances/{c.instance.id}/disks/{s.plugged.id}"),
    ("GET", "/v1/instances/{ref}/nics"): Ask(200, "/v1/instances/{c.instance.id}/nics"),
    ("POST", "/v1/instances/{ref}/nics"): Ask(
        202, "/v1/instances/{c.running.id}/nics", {"network": "lan", "mac": "52:54:00:01:02:03"}
    ),
    ("PATCH", "/v1/instances/{ref}/nics/{nic}"): Ask(
        202, "/v1/instances/{c.instance.id}/nics/10.9.0.10", {"link": "down"}
    ),
    ("DELETE", "/v1/instances/{ref}/nics/{nic}"): Ask(202, "/v1/instances/{c.instance.id}/nics/0"),
    ("GET", "/v1/instances/{ref}/console-log"): Ask(200, "/v1/instances/{c.running.id}/console-log"),
    ("POST", "/v1/instances/{ref}/console"): Ask(201, "/v1/instances/{c.running.id}/console"),
    ("GET", "/v1/trash"): Ask(200, "/v1/trash"),
    ("POST", "/v1/trash/empty"): Ask(202, "/v1/trash/empty", {"project": "default"}),
    ("POST", "/v1/trash/{ref}/restore"): Ask(202, "/v1/trash/{s.trashed.id}/restore", {"name": "back"}),
    ("DELETE", "/v1/trash/{ref}"): Ask(202, "/v1/trash/{s.trashed.id}"),
    ("GET", "/v1/operations"): Ask(200, "/v1/operations"),
    ("GET", "/v1/operations/{id}"): Ask(200, "/v1/operations/{c.operation.id}"),
    ("POST", "/v1/operations/{id}/cancel"): Ask(202, "/v1/operations/{c.operation.id}/cancel"),
    ("POST", "/v1/operations/{id}/retry"): Ask(202, "/v1/operations/{s.blocked.id}/retry"),
    ("GET", "/v1/events"): Ask(200, "/v1/events"),
    ("GET", "/v1/audit"): Ask(200, "/v1/audit"),
    ("DELETE", "/v1/networks/{ref}/fences/{address}"): Ask(204, "/v1/networks/lan/fences/10.9.0.77"),
    ("GET", "/v1/reconcile"): Ask(200, "/v1/reconcile"),
    ("GET", "/v1/reconcile/differences"): Ask(200, "/v1/reconcile/differences"),
    ("POST", "/v1/reconcile/finish"): Ask(200, "/v1/reconcile/finish", {"anyway": False}),
    ("GET", "/v1/backups"): Ask(200, "/v1/backups"),
}
