"""``zcloud reset-password``: the way back in for who has the server's machine."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

import click

from zcloud.base.clock import SystemClock
from zcloud.base.ids import new_secret
from zcloud.main.backups import config_option, plain_words, site_of
from zcloud.main.owner import acting_as_owner
from zcloud.main.setup import ADMIN
from zcloud.main.wiring import open_store
from zcloud.services.signin import reset_password as reset


@click.command("reset-password")
@config_option
@click.argument("user", default=ADMIN)
@click.option("--password-file", type=click.Path(path_type=Path), help="Write the new password here (0600).")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
def reset_password(path: Path | None, user: str, password_file: Path | None, password_stdin: bool) -> None:
    """Give a user (admin) a new password, on the server's own machine, whether the server runs or not.

    The user is enabled, all its sessions end, and failed logins are forgotten. Run it as root or as the service user.
    """
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else new_secret(15)
    with plain_words():
        config = site_of(path).config
        with _private_file(password_file) if password_file else nullcontext() as kept:
            with acting_as_owner(config.data_dir):
                store = open_store(config, SystemClock())
                try:
                    reset(store, user, password)
                finally:
                    store.close()
            if kept is not None:
                kept.write(f"{password}\n")
    shown = f"in {password_file}" if password_file else "as given" if password_stdin else f"{password} (shown only now)"
    click.echo(f"New password of {user}: {shown}")


def _private_file(path: Path) -> TextIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w")
