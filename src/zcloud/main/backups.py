"""``zcloud backup`` and ``zcloud restore``: run on the server's machine, as root or as the service's user."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from zcloud.backup.archive import Manifest, Reader, is_encrypted
from zcloud.backup.create import Site, create
from zcloud.backup.files import written_whole
from zcloud.backup.restore import Restored, Target, restore, verify
from zcloud.backup.schedule import note_by_hand
from zcloud.backup.staging import data_in_use
from zcloud.base.clock import SystemClock
from zcloud.base.config import DEFAULT_PATH, Config, ConfigError, load
from zcloud.cli.base import EXIT_DIFFERENCE
from zcloud.domain.errors import ZcloudError
from zcloud.main.owner import acting_as_owner
from zcloud.main.upgrade import check
from zcloud.store import Store

_FILE = click.Path(path_type=Path, dir_okay=False)
config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), default=None, help=f"The configuration [{DEFAULT_PATH}]."
)
_passphrase_file = click.option(
    "--passphrase-file", "secret", type=_FILE, default=None, help="The file whose first line is the passphrase."
)


@contextmanager
def plain_words() -> Iterator[None]:
    """Tell what went wrong as a person reads it, with its code."""
    try:
        yield
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    except ZcloudError as error:
        told = " ".join(part for part in (error.message, error.left, error.hint) if part)
        raise click.ClickException(f"{told} [{error.code}]") from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


@click.command("create")
@click.argument("file", type=_FILE)
@config_option
@_passphrase_file
@click.option("--encrypt", is_flag=True, help="Encrypt it with a passphrase that is asked for.")
@click.option("--images", is_flag=True, help="With the images' files; otherwise by name and digest only.")
def create_backup(file: Path, path: Path | None, secret: Path | None, encrypt: bool, images: bool) -> None:
    """Back up store, keys and configuration into FILE, while the server runs.

    Guests and their disks are not in it. Unencrypted it holds every secret of the cloud: let nobody else
    read it.
    """
    with plain_words():
        site = site_of(path)
        passphrase = _passphrase(secret) or (_ask(twice=True) if encrypt else None)
        with written_whole(file) as sink, acting_as_owner(site.config.data_dir):
            store = Store(site.config.url, clock=SystemClock(), seal=None)
            try:
                manifest = create(site, store, sink, SystemClock(), passphrase=passphrase, images=images)
                if not store.schema_state().pending:
                    note_by_hand(store)
            finally:
                store.close()
        click.echo(f"{file}: {file.stat().st_size} bytes, {sum(manifest.rows.values())} rows of the store.")
        if passphrase is None:
            click.echo("It is not encrypted and holds every secret of this cloud (mode 0600).")


@click.command("verify")
@click.argument("file", type=_FILE)
@_passphrase_file
def verify_backup(file: Path, secret: Path | None) -> None:
    """Read FILE to its end and compare its checksum."""
    with plain_words(), file.open("rb") as source:
        manifest = verify(source, _unlock(source, secret))
    click.echo(f"{file} is whole: made {manifest.made_at[:19]} UTC, {sum(manifest.rows.values())} rows.")


@click.command("show")
@click.argument("file", type=_FILE)
@_passphrase_file
def show_backup(file: Path, secret: Path | None) -> None:
    """Show what FILE is a backup of; it is not read to its end."""
    with plain_words(), file.open("rb") as source:
        for name, value in _describe(Reader(source, _unlock(source, secret)).manifest):
            click.echo(f"{name:<14} {value}")


@click.command("restore")
@click.argument("file", type=_FILE)
@config_option
@_passphrase_file
@click.option("--replace", is_flag=True, help="Move an installation that is there aside, into DATA/replaced-TIME.")
def restore_backup(file: Path, path: Path | None, secret: Path | None, replace: bool) -> None:
    """Restore FILE to where the configuration says; the server must be stopped.

    It starts in reconcile mode: it looks at hosts and changes nothing until an admin says `zcloud reconcile finish`.
    """
    with plain_words(), file.open("rb") as source:
        config = site_of(path).config
        passphrase = _unlock(source, secret)
        with acting_as_owner(config.data_dir), data_in_use(config.data_dir, alone=True):
            target = Target(config, SystemClock())
            done = restore(target, source, passphrase=passphrase, replace=replace)
    for line in _told(done, config):
        click.echo(line)


@click.command("check")
@config_option
def check_upgrade(path: Path | None) -> None:
    """Look whether this version can take over from the one that made the store; nothing is changed.

    Run it with the new version before the old one is stopped. It ends with 2 where something must be done first.
    """
    with plain_words():
        site = _tolerant_site(path)
        with acting_as_owner(site.config.data_dir):
            findings = list(check(site, SystemClock()))
    for each in findings:
        click.echo(f"{'DO FIRST' if each.todo else 'ok':<9} {each.check}: {each.found}")
        if each.todo:
            click.echo(f"{'':<9} -> {each.todo}")
    if any(each.todo for each in findings):
        raise click.exceptions.Exit(EXIT_DIFFERENCE)


def _tolerant_site(path: Path | None) -> Site:
    """Give the installation although its file has keys that this version does not know."""
    file = path or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    return Site(load(file, tolerant=True), file)


def _describe(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    yield "made", f"{manifest.made_at[:19]} UTC on {manifest.host}"
    yield "zcloud", f"{manifest.version}, schema {manifest.revision}, {manifest.store}"
    yield "zone", manifest.zone
    yield "files", ", ".join(manifest.files)
    kept = ("hosts", "instances", "volumes", "images", "users", "operations", "events")
    yield "rows", ", ".join(f"{manifest.rows.get(name, 0)} {name}" for name in kept)
    for image in manifest.images:
        how = "included" if image["included"] else "by name only"
        yield "image file", f"{image['name']} ({image['size']} bytes, {how})"
    yield "secrets", "It holds every secret of the cloud."


def _told(done: Restored, config: Config) -> Iterator[str]:
    yield f"Restored the backup of {done.manifest.made_at[:19]} UTC to {config.data_dir}."
    if done.kept:
        yield f"What was there before is in {done.kept}."
    if done.configuration:
        yield f"The backup's configuration is {done.configuration}: compare it with the one in use."
    if done.operations:
        yield f"{done.operations} operations were unfinished in the backup; they are not run again."
    for name in done.missing_images:
        yield f"The file of an image is not here: copy it to {config.image_dir / name}, or import it again."
    yield "Start the server (the service: zcloud init --system): it looks at the hosts and changes nothing. Then:"
    yield "  zcloud reconcile show      what differs, and what becomes of it"
    yield "  zcloud reconcile finish    take it so, and go on"


def site_of(path: Path | None) -> Site:
    """Give the installation of a configuration file; raises ConfigError."""
    return Site(load(path), path or (DEFAULT_PATH if DEFAULT_PATH.exists() else None))


def _unlock(source: BinaryIO, secret: Path | None) -> bytes | None:
    """Give the passphrase of an encrypted backup: from the file, or from a person."""
    given = _passphrase(secret)
    if given is not None or not is_encrypted(source) or not sys.stdin.isatty():
        return given
    return _ask(twice=False)


def _passphrase(secret: Path | None) -> bytes | None:
    if secret is None:
        return None
    return secret.read_bytes().partition(b"\n")[0].rstrip(b"\r")


def _ask(*, twice: bool) -> bytes:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the passphrase on: give --passphrase-file.")
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)).encode()
