"""Definitions that operators look at and change, over fake hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.errors import HypervisorFailed, InvalidXml, NotFound, RevisionMismatch, WrongState
from zcloud.domain.instance import InstanceSpec
from zcloud.domain.operation import OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.observer.sync import PowerSync
from zcloud.services.definitions import Definitions
from zcloud.services.direct import Direct
from zcloud.services.lifecycle import Lifecycle
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    made.wait(made.launch.launch(ADMIN, "", SPEC)[1])
    yield made
    made.stop()


@pytest.fixture
def definitions(cloud: FakeCloud) -> Definitions:
    return Definitions(cloud.services, Direct(cloud.links.link))


def localtime(xml: str) -> str:
    return xml.replace('offset="utc"', 'offset="localtime"')


def test_an_edit_is_shown_then_made_and_is_no_drift(cloud: FakeCloud, definitions: Definitions) -> None:
    now = definitions.show(ADMIN, "", "web")
    planned = definitions.edit(ADMIN, "", "web", localtime(now.xml), digest=now.digest, dry_run=True)
    assert planned.operation is None
    assert planned.at_next_start
    assert '+  <clock offset="localtime">' in planned.difference.splitlines()
    assert definitions.show(ADMIN, "", "web") == now
    made = definitions.edit(ADMIN, "", "web", localtime(now.xml), digest=now.digest)
    assert made.operation is not None
    assert cloud.wait(made.operation).status is OperationStatus.SUCCEEDED
    assert 'offset="localtime"' in definitions.show(ADMIN, "", "web").xml
    with pytest.raises(RevisionMismatch):
        definitions.edit(ADMIN, "", "web", now.xml, digest=now.digest)
    instance = cloud.instances.show(ADMIN, "", "web").instance
    PowerSync(cloud.store).check_definition(instance.id, cloud.links.hosts[instance.host_id].hypervisor)
    kinds = [each.kind for each in cloud.read(lambda tx: tx.events.after(0, limit=1000))]
    assert "instance.edited" in kinds
    assert "drift.definition" not in kinds


def test_what_libvirt_refuses_leaves_all_as_it_was(cloud: FakeCloud, definitions: Definitions) -> None:
    now = definitions.show(ADMIN, "", "web")
    (link,) = cloud.links.hosts.values()
    link.hypervisor.fail("define", HypervisorFailed("XML document failed to validate against schema"))
    made = definitions.edit(ADMIN, "", "web", localtime(now.xml))
    assert made.operation is not None
    ended = cloud.wait(made.operation)
    assert ended.status is OperationStatus.FAILED
    assert definitions.show(ADMIN, "", "web") == now


def test_what_zcloud_refuses_is_named(definitions: Definitions) -> None:
    xml = definitions.show(ADMIN, "", "web").xml
    with pytest.raises(InvalidXml) as refused:
        definitions.edit(ADMIN, "", "web", xml.replace("</vcpu>", "0</vcpu>"))
    assert "zcloud instance resize" in refused.value.message
    assert len(refused.value.details["objections"]) == 1
    with pytest.raises(InvalidXml, match="larger"):
        definitions.edit(ADMIN, "", "web", xml + " " * (256 << 10))
    assert definitions.edit(ADMIN, "", "web", xml).operation is None  # nothing changes


def test_only_operators_and_only_where_memory_does_not_hang_on_it(cloud: FakeCloud, definitions: Definitions) -> None:
    project = cloud.read(lambda tx: tx.projects.resolve("default"))
    member = Actor(user_id="u", user_name="eve", role=None, project_roles=((project.id, Role.MEMBER),))
    for ask in (lambda: definitions.show(member, "", "web"), lambda: definitions.edit(member, "", "web", "<domain/>")):
        with pytest.raises(NotFound, match="A definition"):
            ask()
    xml = definitions.show(ADMIN, "", "web").xml
    cloud.wait(Lifecycle(cloud.services).act(ADMIN, "", "web", "save"))
    with pytest.raises(WrongState, match="is saved"):
        definitions.edit(ADMIN, "", "web", localtime(xml))
    with pytest.raises(WrongState, match="nothing of it runs"):
        definitions.show(ADMIN, "", "web", live=True)
