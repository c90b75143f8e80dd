"""Every field of every record has a column of its name, and every value survives the way there and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import Table
from tests import builders

from zcloud.domain.network import AddressRange
from zcloud.domain.people import Quota
from zcloud.store import Store
from zcloud.store.instances import Flavors, Instances
from zcloud.store.machines import Hosts, Networks, Pools
from zcloud.store.mapping import decoder, encode
from zcloud.store.networks import Ports
from zcloud.store.operations import Operations
from zcloud.store.people import Projects, Sessions, SshKeys, Tokens, Users
from zcloud.store.repository import Records
from zcloud.store.storage import Images, Volumes

NOUNS: list[type[Records[Any, Any]]] = [
    Users, Projects, Tokens, Sessions, SshKeys, Hosts, Pools, Networks,
    Flavors, Images, Instances, Volumes, Ports, Operations,
]  # fmt: skip
ELSEWHERE = {"instances": {"tags"}, "operations": {"steps"}, "pools": {"secrets"}}  # in tables of their own, or sealed
HIDDEN = {"blocked_on"}  # columns that no record shows


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_columns_and_fields_have_the_same_names(noun: type[Records[Any, Any]]) -> None:
    table: Table = noun.mapper.table
    names = {each.name for each in fields(noun.mapper.record)}
    assert names - set(table.c.keys()) == ELSEWHERE.get(table.name, set())
    assert set(table.c.keys()) - names <= HIDDEN


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    colour: Colour
    sizes: tuple[int, ...]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 3),
        (str | None, None),
        (Colour, Colour.RED),
        (Colour | None, None),
        (Colour | None, Colour.RED),
        (tuple[str, ...], ("a", "b")),
        (tuple[Colour, ...], (Colour.RED,)),
        (Inner, Inner(Colour.RED, (1, 2))),
        (tuple[Inner, ...], (Inner(Colour.RED, ()),)),
    ],
)
def test_values_survive(hint: Any, value: Any) -> None:
    convert = decoder(hint)
    kept = encode(value)
    assert type(kept) in (int, str, list, dict, type(None))
    assert (convert(kept) if convert else kept) == value


def test_a_kept_object_may_lack_new_fields_and_have_old_ones() -> None:
    convert = decoder(Quota)
    assert convert is not None
    assert convert({"instances": 3, "gone": 1}) == Quota(instances=3)


def test_records_survive_the_store(store: Store) -> None:
    project = builders.project(quota=Quota(instances=5, volume_bytes=1 << 40))
    ranges = (AddressRange("10.9.0.10", "10.9.0.20"), AddressRange("10.9.1.1", "10.9.1.9", reserved=True, comment="ü"))
    network = builders.network(ranges=ranges, options={"isolated": True}, project_id=project.id)
    host, image = builders.host(labels={"rack": "1"}), builders.image(error={"code": "x"}, state="error")
    instance = builders.instance(project.id, host.id, image.id, tags=("a", "b"), observed={"power": "off"})
    with store.write() as tx:
        tx.projects.add(project)
        tx.networks.add(network)
        tx.hosts.add(host)
        tx.images.add(image)
        tx.instances.add(instance)
    with store.read() as tx:
        assert tx.projects.get(project.id) == project
        assert tx.networks.get(network.id) == network
        assert tx.hosts.get(host.id) == host
        assert tx.images.get(image.id) == image
        assert tx.instances.get(instance.id) == instance


def test_a_field_that_is_not_kept_is_a_defect(sqlite_store: Store) -> None:
    with pytest.raises(TypeError, match="colour"), sqlite_store.write() as tx:
        tx.hosts.update("x", colour="red")
