"""Walking through pages gives every row exactly once, in order, whatever is inserted meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import builders

from zcloud.base.ids import new_id
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.store import InstanceFilter, Store

SORTS = ("name", "created_at", "status", "updated_at", "memory_mib", "vcpus")
ROWS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=5),
        st.integers(0, 3),
        st.sampled_from(list(InstanceStatus)),
        st.integers(1, 3),
    ),
    max_size=25,
    unique_by=lambda row: row[0],
)


class Project:
    """A project with a host and an image, and instances in it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.project, self.host, self.image = builders.project(), builders.host(), builders.image()
        with store.write() as tx:
            tx.projects.add(self.project)
            tx.hosts.add(self.host)
            tx.images.add(self.image)

    def add(self, **changes: Any) -> Instance:
        record = builders.instance(self.project.id, self.host.id, self.image.id, **changes)
        with self.store.write() as tx:
            return tx.instances.add(record)

    def walk(self, sort: str, limit: int) -> list[list[Instance]]:
        """Give the pages, and insert a row behind the cursor after each."""
        pages: list[list[Instance]] = []
        cursor: str | None = None
        while True:
            with self.store.read() as tx:
                mine = InstanceFilter({self.project.id})
                page = tx.instances.page(mine, sort=sort, cursor=cursor, limit=limit, count=True)
            assert page.total is not None
            pages.append(list(page.items))
            cursor = page.next_cursor
            if cursor is None:
                return pages
            self._insert_behind(page.items[-1], sort)

    def _insert_behind(self, last: Instance, sort: str) -> None:
        """Add a row that the walk has passed already: same place, smaller (or greater) key."""
        up = not sort.startswith("-")
        id = ("00000000" if up else "ffffffff") + new_id()[8:]
        changes = {sort.lstrip("-"): getattr(last, sort.lstrip("-"))}
        if sort.lstrip("-") == "name":
            changes = {"name": last.name[:-1] if up else last.name + "~" * 300}
            changes["name"] = (changes["name"] or "")[:200] + ("" if up else new_id())
        if not changes.get("name", "x"):
            return
        self.add(id=id, **{"name": f"behind-{id}", **changes})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, sort=st.sampled_from(SORTS), descending=st.booleans(), limit=st.integers(1, 7))
def test_every_row_exactly_once(store: Store, rows: list[Any], sort: str, descending: bool, limit: int) -> None:
    project = Project(store)
    for name, seconds, status, size in rows:
        time = builders.NOW + timedelta(seconds=seconds)
        project.add(name=name, created_at=time, updated_at=time, status=status, vcpus=size, memory_mib=size * 256)
    with store.read() as tx:
        there = {each.id for each in tx.instances.page(InstanceFilter({project.project.id}), limit=1000).items}
    pages = project.walk("-" + sort if descending else sort, limit)
    walked = [each for page in pages for each in page]
    assert len({each.id for each in walked}) == len(walked), "a row came twice"
    assert {each.id for each in walked} >= there, "a row was left out"
    assert all(len(page) == limit for page in pages[:-1])
    keys = [place(each, sort) for each in walked]
    assert keys == sorted(keys, reverse=descending)


def place(record: Instance, sort: str) -> tuple[Any, str]:
    value = getattr(record, sort)
    return (value.encode() if isinstance(value, str) else value, record.id)


@pytest.mark.parametrize("sort", ["started_at", "-started_at"])
def test_an_absent_value_comes_before_all_others(store: Store, monkeypatch: pytest.MonkeyPatch, sort: str) -> None:
    project = Project(store)
    monkeypatch.setattr("zcloud.store.instances.Instances.sorts", ("name", "started_at"))
    for seconds in (None, 1, None, 2, 0):
        project.add(started_at=None if seconds is None else builders.NOW + timedelta(seconds=seconds))
    walked, cursor = [], None
    while True:
        with store.read() as tx:
            page = tx.instances.page(sort=sort, cursor=cursor, limit=1)
        walked += [each.started_at for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = [None, None] + [builders.NOW + timedelta(seconds=seconds) for seconds in (0, 1, 2)]
    assert walked == (expected[::-1] if sort.startswith("-") else expected)
