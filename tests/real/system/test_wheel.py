"""The wheel holds everything: its server starts from it, and its client needs nothing but click."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.real.system.installation import make_venv, run, server_packages

import zcloud
from zcloud.lab.hosts import wait_for

ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def test_it_carries_what_is_not_python(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"zcloud-{zcloud.__version__}.dist-info/METADATA").decode()
    assert {
        "zcloud/py.typed",
        "zcloud/drivers/guest/catalogue.toml",
        "zcloud/drivers/guest/keys/ubuntu-cloud.gpg",
        "zcloud/store/migrations/script.py.mako",
        "zcloud/deploy/sysusers.conf",
        "zcloud/deploy/zcloud.service",
        "zcloud/deploy/zcloud-guests.service",
        "zcloud/deploy/zcloud-helper.service",
        "zcloud/deploy/monitoring/zcloud.rules.yml",
        "zcloud/web/templates/frame.html",
        "zcloud/web/catalogues/ru.mo",
        "zcloud/web/static/vendor/LICENSES.txt",
    } <= names
    assert any(name.startswith("zcloud/store/migrations/versions/0001") for name in names)
    assert any(name.endswith("/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
    assert f"\nVersion: {zcloud.__version__}\n" in metadata


class Venv:
    """A venv with the wheel, whose person has an empty home."""

    def __init__(self, base: Path, wheel: Path, packages: set[str]) -> None:
        make_venv(run, str(base / "venv"), base / "venv", str(wheel), packages)
        self.program = str(base / "venv/bin/zcloud")
        self.base = base
        self.environment = {**ENVIRONMENT, "HOME": str(base)}

    def zcloud(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            cwd=self.base,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Venv:
    """Give an installation of the client alone: click and nothing else."""
    made = Venv(tmp_path_factory.mktemp("client"), wheel, {"click"})
    settings = made.base / "venv/pyvenv.cfg"  # the distribution's packages are for the server only
    settings.write_text(settings.read_text().replace("system-site-packages = true", "system-site-packages = false"))
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, wheel: Path, probe_kit: Path) -> Venv:
    """Give an installation with the server's locked packages; the probe's kernel is fetched already."""
    assert (probe_kit / "sha256").exists()
    return Venv(tmp_path_factory.mktemp("server"), wheel, server_packages())


def test_the_client_starts_and_knows_its_version(client: Venv) -> None:
    assert "launch" in client.zcloud("--help").stdout
    assert client.zcloud("--version").stdout == f"zcloud {zcloud.__version__}\n"


@pytest.mark.parametrize(("shell", "current"), [("bash", "1"), ("zsh", "1"), ("fish", "la")])
def test_the_client_completes_commands(client: Venv, shell: str, current: str) -> None:
    told = client.zcloud("completion", shell)
    assert (told.returncode, "_ZCLOUD_COMPLETE" in told.stdout) == (0, True), told
    words = {"COMP_WORDS": "zcloud la", "COMP_CWORD": current, "_ZCLOUD_COMPLETE": f"{shell}_complete"}
    asked = subprocess.run(
        [client.program],
        env=client.environment | words,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("launch" in asked.stdout, asked.stderr) == (True, ""), asked


def test_man_pages_and_completion_are_installed(client: Venv) -> None:
    share = client.base / "venv" / "share"
    page = share / "man" / "man1" / "zcloud-launch.1"
    assert "\\-\\-image" in page.read_text()
    scripts = (
        "bash-completion/completions/zcloud",
        "zsh/site-functions/_zcloud",
        "fish/vendor_completions.d/zcloud.fish",
    )
    assert all((share / script).exists() for script in scripts)


def test_the_client_says_cleanly_that_nobody_answers(client: Venv) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
        told = client.zcloud("list", "--url", url)
    assert told.returncode not in (0, 64), told
    assert told.stdout == ""
    assert "Traceback" not in told.stderr
    assert "cannot be reached" in told.stderr


@pytest.mark.parametrize("name", ["serve", "init"])
def test_the_client_says_what_the_server_takes(client: Venv, name: str) -> None:
    told = client.zcloud(name)
    assert told.returncode == 1
    assert "pip install 'zcloud[server]'" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_server_is_set_up_and_starts(server: Venv) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, password = server.base / "zcloud.toml", server.base / "password"
    config.write_text(f'data_dir = "{server.base}/data"\n[server]\nport = {port}\n')
    told = server.zcloud("init", "--config", str(config), "--password-file", str(password))
    assert told.returncode == 0, told
    serving = subprocess.Popen([server.program, "serve", "--config", str(config)], env=server.environment)
    try:
        wait_for(lambda: _listens(port), 30, "the server listens")
        words = ("--url", f"https://127.0.0.1:{port}", "--ca", str(server.base / "data/tls/ca.pem"))
        signed_in = server.zcloud("login", *words, "--user", "admin", "--password-stdin", stdin=password.read_text())
        assert signed_in.returncode == 0, signed_in
        assert server.zcloud("list").returncode == 0
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0
    finally:
        serving.kill()
        serving.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
