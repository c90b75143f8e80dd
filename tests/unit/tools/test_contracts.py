"""The contracts on imports hold, and catch what they are for: each is tried with one planted import."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / ".importlinter.toml"
LINTER = Path(sys.executable).with_name("lint-imports")

PLANTED = [
    ("Imports point downwards", "domain/names.py", "zcloud.store"),
    ("Imports point downwards", "services/context.py", "zcloud.api.app"),
    ("Imports point downwards", "observer/health.py", "zcloud.testing.fakes"),
    ("Pure packages do no I/O and read no clock", "scheduler/place.py", "time"),
    ("Pure packages do no I/O and read no clock", "domain/names.py", "zcloud.base.ids"),
    ("Pure packages do no I/O and read no clock", "drivers/compute/design.py", "pathlib"),
    ("Drivers and host preparation reach a host only through ports", "drivers/storage/directory.py", "zcloud.hosts"),
    ("Drivers and host preparation reach a host only through ports", "hostprep/probe.py", "zcloud.store"),
    ("Faces know services and wire only", "api/show.py", "zcloud.store"),
    ("Faces know services and wire only", "web/instances.py", "zcloud.store"),
    ("Imports point downwards", "api/edge.py", "zcloud.web.words"),
    ("Pages take the API's guard and parts", "web/session.py", "zcloud.api.show"),
    ("Templates have one door", "web/session.py", "jinja2"),
    ("A request never waits on a host", "services/hosts.py", "zcloud.hosts"),
    ("The engine knows neither hosts", "operations/run.py", "zcloud.hosts"),
    ("One door to libvirt", "observer/tick.py", "libvirt"),
    ("Processes start behind few doors", "workflows/images.py", "subprocess"),
    ("One door to SSH", "hosts/pool.py", "asyncssh"),
    ("SQL lives in the store", "services/context.py", "sqlalchemy"),
    ("The web framework stays in the faces", "services/audit.py", "starlette"),
    ("Prometheus' client library has one door", "api/edge.py", "prometheus_client"),
    ("XML is read and written by the mapping", "drivers/network/nat.py", "lxml"),
    ("Driver files do not know each other", "drivers/network/nat.py", "zcloud.drivers.network.bridge"),
    ("Only the registry names a concrete driver", "workflows/pools.py", "zcloud.drivers.storage.directory"),
    ("Client and CLI know nothing of the server", "cli/output.py", "zcloud.wire.base"),
    ("Client and CLI install without the server", "client/http.py", "pydantic"),
    ("Shapes of the API stay apart", "wire/base.py", "zcloud.domain.names"),
    ("No cycles between siblings", "store/schema/columns.py", "zcloud.store.store"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources in which violations may be planted."""
    shutil.copytree(ROOT / "src" / "zcloud", tmp_path / "zcloud", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return tmp_path


def broken(tree: Path) -> list[str]:
    """Give the names of the contracts that do not hold in a tree."""
    argv = [str(LINTER), "--no-logo", "--no-cache", "--config", str(CONFIG)]
    # A relative first entry of the path wins over the installed package.
    done = subprocess.run(argv, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return re.findall(r"^(.+?) BROKEN", done.stdout, flags=re.MULTILINE)


def test_the_contracts_hold(tree: Path) -> None:
    assert broken(tree) == []


@pytest.mark.parametrize(("contract", "file", "module"), PLANTED)
def test_a_planted_import_is_caught(tree: Path, contract: str, file: str, module: str) -> None:
    path = tree / "zcloud" / file
    path.write_text(path.read_text().rstrip() + f"\n\nimport {module}\n")
    assert [name for name in broken(tree) if name.startswith(contract)] == [
        name for name in contracts() if name.startswith(contract)
    ]


def contracts() -> list[str]:
    return re.findall(r'^name = "(.+)"$', CONFIG.read_text(), flags=re.MULTILINE)


def test_every_contract_is_tried() -> None:
    tried = {name for name in contracts() for contract, _, _ in PLANTED if name.startswith(contract)}
    assert tried == set(contracts())
