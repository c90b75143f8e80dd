"""The commands that need the server's packages: ``zcloud serve`` and ``zcloud init``."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from zcloud.backup.restore import Target, finish_restore
from zcloud.backup.staging import data_in_use
from zcloud.base import log
from zcloud.base.clock import SystemClock
from zcloud.base.config import DEFAULT_PATH, Config, ConfigError, load
from zcloud.domain.errors import ZcloudError
from zcloud.main.backups import config_option, plain_words, site_of
from zcloud.main.serve import serve as run_server
from zcloud.main.setup import ADMIN, Prepared, prepare
from zcloud.main.system import AUTHORITY, install
from zcloud.main.upgrade import bring_up_to_date
from zcloud.main.wiring import ROLES, build

_log = logging.getLogger(__name__)


@click.command()
@config_option
@click.option("--role", "roles", default=",".join(ROLES), help="Which of api, worker and observer to run [all].")
@click.option("--no-tls", is_flag=True, help="Plain HTTP, behind a proxy on the same machine.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Loopback port at which a process without the API gives its own counters [none].",
)
def serve(path: Path | None, roles: str, no_tls: bool, metrics_port: int) -> None:
    """Run the server (API, workers, observer) in the foreground."""
    site = site_of(path)
    config = site.config
    wanted = tuple(role.strip() for role in roles.split(",") if role.strip())
    unknown = set(wanted) - set(ROLES)
    if unknown or not wanted:
        raise click.UsageError(f"Roles are {', '.join(ROLES)}; not {', '.join(sorted(unknown)) or 'none'}.")
    if set(wanted) != set(ROLES) and config.url.startswith("sqlite"):
        raise click.ClickException("Several processes need PostgreSQL (store_url); SQLite is for one process.")
    if no_tls and config.server.listen not in ("127.0.0.1", "::1", "localhost"):
        raise click.ClickException("Plain HTTP is for the loopback only (server.listen).")
    if metrics_port and "api" in wanted:
        raise click.UsageError("A process with the API gives its counters at /metrics.")
    with plain_words():
        _set_up_log(config)
        with data_in_use(config.data_dir, alone=False):
            finish_restore(Target(config, SystemClock()))
            bring_up_to_date(site, SystemClock(), _log.warning)
            runtime = build(config, config_file=site.config_file)
            run_server(runtime, wanted, tls=not no_tls, metrics_port=metrics_port)


@click.command()
@config_option
@click.option("--password-file", type=click.Path(path_type=Path), help="Write the admin's first password here (0600).")
@click.option("--system", is_flag=True, help="As a service of this machine: user, /etc/zcloud, systemd units (root).")
def init(path: Path | None, password_file: Path | None, system: bool) -> None:
    """Set the installation up: directories, keys, certificates, the store, the probe's kernel, the first admin."""
    if system and path is not None:
        raise click.UsageError(f"The service's configuration is {DEFAULT_PATH}; --config goes without --system.")
    try:
        if system:
            _tell(*install(click.echo), password_file, AUTHORITY)
        else:
            config = _load(path)
            prepared = prepare(config)
            _tell(config, prepared, password_file, prepared.authority)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    except ZcloudError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    except PermissionError as error:
        raise click.ClickException(f"{error}. Run it as root, or as the service user.") from error


def _tell(config: Config, prepared: Prepared, password_file: Path | None, authority: Path) -> None:
    click.echo(f"Data: {config.data_dir}")
    click.echo(f"Store: {config.url.partition('@')[2] or config.url}")
    click.echo(f"CA: {authority}")
    click.echo(f"Public key for hosts: {config.ssh_key.with_suffix('.pub').read_text().strip()}")
    if not prepared.password:
        click.echo(f"The user {ADMIN} is there already.")
    elif password_file is not None:
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(prepared.password + "\n")
        click.echo(f"First login: {ADMIN}, password in {password_file}")
    else:
        click.echo(f"First login: {ADMIN}, password {prepared.password} (shown only now)")


def _set_up_log(config: Config) -> None:
    file = None
    if config.log_file:
        file = log.Rotation(Path(config.log_file), config.log_file_max, config.log_files)
    log.set_up(config.log_level, as_json=config.log_json, file=file)


def _load(path: Path | None) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
