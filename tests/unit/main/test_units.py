"""The units that are installed start these programs and reach what the configuration allows."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from zcloud.base.config import Config, Hosts
from zcloud.domain.errors import ConfigInvalid
from zcloud.main.system import SERVERS, UNITS, by_hand, unit

DEPLOY = Path(str(resources.files("zcloud") / "deploy"))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_the_programs_of_this_installation(name: str) -> None:
    text = unit(DEPLOY / name, Path("/srv/zcloud/bin"), Config())
    assert re.search("^Exec(Start|Stop)=/srv/zcloud/bin/", text, re.MULTILINE)
    assert "/opt/zcloud" not in text


def test_what_is_to_be_started_by_hand_is_what_the_units_start() -> None:
    programs = Path("/opt/zcloud/bin")
    started = [
        re.search("^ExecStart=(.*)$", unit(DEPLOY / name, programs, Config()), re.MULTILINE)[1]  # type: ignore[index]
        for name in SERVERS
    ]
    helper, server = by_hand(programs)
    assert helper == started[0]
    assert re.fullmatch(f"setpriv --reuid=zcloud [-a-z= ]* {started[1]}", server)


def test_the_helper_reaches_every_further_root_and_the_service_none() -> None:
    config = Config(hosts=Hosts(roots=("/srv/pool", "/mnt/fast")))
    helper = unit(DEPLOY / "zcloud-helper.service", Path("/opt/zcloud/bin"), config)
    assert "--user zcloud --root /srv/pool --root /mnt/fast\n" in helper
    assert "/var/log/libvirt -/srv -/srv/pool -/mnt/fast\n" in helper
    assert "/srv/pool" not in unit(DEPLOY / "zcloud.service", Path("/opt/zcloud/bin"), config)


@pytest.mark.parametrize("root", ["relative", "/a b", "/a\nExecStartPre=/bin/true", "/%h", '/"', "/a;b", "/é"])
def test_a_root_that_systemd_would_read_as_something_else_is_refused(root: str) -> None:
    with pytest.raises(ConfigInvalid):
        unit(DEPLOY / "zcloud-helper.service", Path("/opt/zcloud/bin"), Config(hosts=Hosts(roots=(root,))))
