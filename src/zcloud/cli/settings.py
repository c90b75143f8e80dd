"""Which server, as whom, and in which form: flags, then the environment, then ``~/.config/zcloud/cli.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from zcloud.client import Client
from zcloud.client.discovery import Access, base_directory, config_file, discover, load_config

FORMATS = ("table", "wide", "json", "yaml")


def state_directory() -> Path:
    """Give the directory for what the CLI learns, such as guests' host keys."""
    return base_directory("XDG_STATE_HOME", ".local/state") / "zcloud"


def save_config(values: dict[str, Any]) -> None:
    """Keep the values, readable by this user only; the file appears whole or not at all."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file, indent=1)
    part.replace(path)


class App:
    """What every command is given: the settings, and the client that they lead to."""

    def __init__(self) -> None:
        self.output = "table"
        self.quiet = False
        self.url_flag = self.ca_flag = self.project_flag = ""
        self._client: Client | None = None
        self._config: dict[str, Any] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """Give what the last login kept."""
        if self._config is None:
            self._config = load_config()
        return self._config

    @property
    def url(self) -> str:
        """Give the server's address."""
        return self._access.url

    @property
    def ca(self) -> str:
        """Give the server's authority: a file, or PEM text from the login at this server."""
        return self._access.ca

    @property
    def token(self) -> str:
        """Give the secret for this server."""
        return self._access.token

    @property
    def project(self) -> str:
        """Give the project's name, or nothing for the server's choice."""
        return self._access.project

    @property
    def client(self) -> Client:
        """Give the client, which connects at its first request."""
        if self._client is None:
            self._client = Client(self.url, self.token, ca=self.ca)
            click.get_current_context().call_on_close(self._client.close)
        return self._client

    @property
    def for_people(self) -> bool:
        """Say whether tables and sentences are wanted, rather than JSON or YAML."""
        return self.output in ("table", "wide")

    @property
    def _access(self) -> Access:
        return discover(self.config, self.url_flag, ca=self.ca_flag, project=self.project_flag)
