"""What scripts/demo --clean says of a machine on which others work too."""

from __future__ import annotations

from tools.demo_machine import compare

BEFORE = {"links": ["eth0", "veth1"], "domains": ["mine"], "files": []}


def test_nothing_new_is_nothing_to_tell() -> None:
    assert compare(BEFORE, BEFORE) == {"left": [], "came": [], "gone": []}


def test_links_of_others_come_and_go() -> None:
    after = {**BEFORE, "links": ["eth0", "vethab12", "zlab0h2"]}
    told = compare(BEFORE, after)
    assert told == {"left": [], "came": ["links: vethab12", "links: zlab0h2"], "gone": ["links: veth1"]}


def test_what_the_demo_makes_and_is_still_there_is_left() -> None:
    links = ["zc0a1b2c3d4e5", "zbr-01234567", "virbr0", "vnet3"]
    after = {"links": ["eth0", "veth1", *links], "domains": ["mine", "demo"], "files": ["/var/lib/zcloud/x"]}
    told = compare(BEFORE, after)
    assert told["left"] == [*(f"links: {each}" for each in links), "domains: demo", "files: /var/lib/zcloud/x"]
    assert told["came"] == told["gone"] == []
