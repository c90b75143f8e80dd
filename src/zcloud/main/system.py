"""``zcloud init --system``: an installation as a service of this machine. Run again, it adds what is missing."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import resources
from pathlib import Path

import zcloud
from zcloud.base.config import DEFAULT_PATH, Config, load
from zcloud.base.configfile import example
from zcloud.domain.errors import ConfigInvalid, NeedsRoot
from zcloud.main.access import access_file, ensure_access
from zcloud.main.account import USER, Account, Tell, acting_as, command, ensure_account, give
from zcloud.main.setup import Prepared, ensure_probe_kit, prepare

SERVERS = ("zcloud-helper.service", "zcloud.service")
GUARD = "zcloud-guests.service"  # its stop stops all guests: it is never restarted
UNITS = (*SERVERS, GUARD)
UNIT_DIR = Path("/etc/systemd/system")
AUTHORITY = DEFAULT_PATH.parent / "ca.pem"

_EXAMPLE_BIN = "/opt/zcloud/bin"  # what the units that ship start from
_UNSEEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - hidden from the units, not used
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.+-]*")


def install(tell: Tell) -> tuple[Config, Prepared]:
    """Make the service's user, its configuration, data and units, and start it where systemd runs.

    Every change is told, nothing that is there is replaced but the units. Raises NeedsRoot, ConfigInvalid (this
    installation or the configuration cannot serve), CommandFailed, ConfigError.
    """
    if os.geteuid() != 0:
        raise NeedsRoot("Setting up the service takes root: it makes a user and writes to /etc.")
    programs = Path(sys.executable).parent
    _check_programs(programs)
    with resources.as_file(resources.files("zcloud") / "deploy") as deploy:
        account = ensure_account(deploy / "sysusers.conf", tell)
        config = _configure(account, tell)
        prepared = _prepare(config, account, tell)
        changed = [name for name in UNITS if _put(UNIT_DIR / name, unit(deploy / name, programs, config), tell)]
    _start(programs, bool(changed), tell)
    return config, prepared


def unit(template: Path, programs: Path, config: Config) -> str:
    """Give a unit that starts the programs of that directory; the helper's lets it work below ``hosts.roots`` too."""
    text = template.read_text().replace(_EXAMPLE_BIN, str(programs))
    for root in config.hosts.roots:
        if not _PLAIN_PATH.fullmatch(root):
            raise ConfigInvalid(f"hosts.roots: {root!r} is not a path that can stand in a systemd unit.")
        text = re.sub(r"^(ExecStart=.* -m zcloud\.hosts\.helper .*)$", rf"\1 --root {root}", text, flags=re.MULTILINE)
        text = re.sub(r"^(ReadWritePaths=.*)$", rf"\1 -{root}", text, flags=re.MULTILINE)
    return text


def _check_programs(programs: Path) -> None:
    missing = [name for name in ("python", "zcloud") if not (programs / name).exists()]
    hidden = [place for place in _UNSEEN if programs.is_relative_to(place)]
    if missing or hidden or not _PLAIN_PATH.fullmatch(str(programs)):
        why = f"it has no {missing[0]}" if missing else "a service cannot see it there"
        raise ConfigInvalid(
            f"The service cannot be started from {programs}: {why}.",
            hint="Install into a place of its own: python3 -m venv /opt/zcloud",
        )


def _configure(account: Account, tell: Tell) -> Config:
    """Write the configuration where there is none; the service reads it, others do not (it may hold a password)."""
    _directory(DEFAULT_PATH.parent, 0o755, 0, 0, tell)
    if not DEFAULT_PATH.exists():
        _put(DEFAULT_PATH, example(), tell, mode=0o640, group=account.gid)
    config = load(DEFAULT_PATH)
    if config.data_dir != Config().data_dir:
        raise ConfigInvalid(
            f"data_dir is {config.data_dir}, and the service's units let it write to {Config().data_dir} only.",
            hint=f"Mount the other place there, or leave data_dir out of {DEFAULT_PATH}.",
        )
    return config


def _prepare(config: Config, account: Account, tell: Tell) -> Prepared:
    """Make the data as the service's user; only the probe's kernel is root's, who fetches and boots it."""
    _directory(config.data_dir, 0o750, account.uid, account.gid, tell)
    ensure_probe_kit(config)
    _open_to_readers(config.probe_dir)
    give(config.data_dir, account, (config.probe_dir, config.data_dir / "probe"), tell)
    with acting_as(account):
        if not os.access(zcloud.__file__, os.R_OK, effective_ids=True):
            raise ConfigInvalid(
                f"The user {USER} cannot read {zcloud.__file__}.", hint="Let it enter the directories above."
            )
        prepared = prepare(config)
        if ensure_access(config, AUTHORITY):
            tell(f"Gave this machine's units access to the server: {access_file(config)}.")
    _put(AUTHORITY, prepared.authority.read_text(), tell)
    return prepared


def _open_to_readers(directory: Path) -> None:
    """Let everybody read the probe's kernel: it may have been copied from a directory that only root enters."""
    directory.chmod(0o755)
    for path in directory.iterdir():
        path.chmod(0o644)


def _start(programs: Path, changed: bool, tell: Tell) -> None:
    if Path("/run/systemd/system").exists():
        command("systemctl", "daemon-reload")
        command("systemctl", "enable", "--quiet", *UNITS)
        command("systemctl", "restart" if changed else "start", *SERVERS)
        command("systemctl", "start", GUARD)
        tell("The service runs: systemctl status zcloud")
        return
    tell("systemd does not run here. Start these two as root:")
    for line in by_hand(programs):
        tell(f"  {line}")


def by_hand(programs: Path) -> tuple[str, str]:
    """Give the commands that do what the two units do, but for their confinement."""
    drop = f"setpriv --reuid={USER} --regid={USER} --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
    return f"{programs}/python -m zcloud.hosts.helper --user {USER}", f"{drop} {programs}/zcloud serve"


def _directory(path: Path, mode: int, uid: int, gid: int, tell: Tell) -> None:
    """Have a directory with that owner and mode: the units would give it the same."""
    there = path.is_dir()
    path.mkdir(parents=True, exist_ok=True)
    facts = path.stat()
    if (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (uid, gid, mode):
        return
    os.chown(path, uid, gid)
    path.chmod(mode)
    tell(f"{'Changed owner and mode of' if there else 'Made'} {path}.")


def _put(path: Path, text: str, tell: Tell, *, mode: int = 0o644, group: int = 0) -> bool:
    """Write a file whole unless it has that text already; gives whether it was written."""
    before = path.read_text() if path.exists() else None
    if before == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    shutil.chown(part, 0, group)
    part.chmod(mode)
    part.replace(path)
    tell(f"{'Wrote' if before is None else 'Replaced'} {path}.")
    return True
