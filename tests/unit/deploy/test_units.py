"""The systemd units are well-formed, confine what they run, and agree with the code."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from zcloud.base.config import DEFAULT_PATH, Config
from zcloud.hosts import helperwire
from zcloud.hosts.commands import DEFAULT_ROOTS

UNITS = ("zcloud.service", "zcloud-helper.service", "zcloud-guests.service")
MOST_EXPOSED = {
    "zcloud.service": 25,
    "zcloud-helper.service": 40,
    "zcloud-guests.service": 20,
}  # tenths of what systemd-analyze security says
SYSTEMD = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")


def text(name: str) -> str:
    return (resources.files("zcloud") / "deploy" / name).read_text()


def section(name: str, which: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text(name))
    return parser[which]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, starting programs that are there (systemd looks for them)."""
    for name in UNITS:
        (tmp_path / name).write_text(
            text(name).replace("/opt/zcloud/bin/zcloud", "/bin/true").replace("/opt/zcloud/bin/python", sys.executable)
        )
    return tmp_path


@needs_systemd
def test_systemd_accepts_the_units(units: Path) -> None:
    argv = [str(SYSTEMD), "verify", "--man=no", "--recursive-errors=no", *(str(units / name) for name in UNITS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_units_stay_confined(units: Path, name: str) -> None:
    threshold = f"--threshold={MOST_EXPOSED[name]}"
    argv = [str(SYSTEMD), "security", "--offline=true", "--no-pager", threshold, str(units / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_helper_may_write_where_its_commands_may_work_and_nowhere_else() -> None:
    service = section("zcloud-helper.service", "Service")
    assert {path.removeprefix("-") for path in service["ReadWritePaths"].split()} == set(DEFAULT_ROOTS)
    assert f"/run/{service['RuntimeDirectory']}/helper.sock" == helperwire.SOCKET


def test_the_service_owns_the_directories_of_the_configuration() -> None:
    service = section("zcloud.service", "Service")
    assert f"/var/lib/{service['StateDirectory']}" == str(Config().data_dir)
    assert f"/etc/{service['ConfigurationDirectory']}" == str(DEFAULT_PATH.parent)
    assert service["CapabilityBoundingSet"] == ""
    assert f"u {service['User']} " in text("sysusers.conf")
    assert f"m {service['User']} {service['SupplementaryGroups']}" in text("sysusers.conf")
    assert f"--user {service['User']}" in section("zcloud-helper.service", "Service")["ExecStart"]
