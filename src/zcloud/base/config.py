"""The configuration: one TOML file, every key with its default, nothing read from anywhere else."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

DEFAULT_PATH = Path("/etc/zcloud/zcloud.toml")


class ConfigError(ValueError):
    """The file cannot be used; the message says which key and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens and what people call it."""

    listen: str = "127.0.0.1"  # loopback unless told otherwise
    port: int = 8443  # TCP port of API and consoles
    names: tuple[str, ...] = ()  # more names or addresses for the TLS certificate
    max_body: int = 1 << 20  # bytes of a JSON body


@dataclass(frozen=True, slots=True)
class Images:
    """Where images come from and how large they may be (bytes)."""

    max_file: int = 64 << 30  # bytes of an image file, as it arrives
    max_virtual: int = 4 << 40  # bytes of the disk that an image describes
    max_piece: int = 64 << 20  # bytes that one request of an upload may bring
    keep_free: int = 512 << 20  # bytes that images leave free on the disk of data_dir
    catalogue: Path = Path("/etc/zcloud/catalogue.d")  # directory of TOML files with more official images
    upload_h: int = 72  # hours without a byte after which an unfinished upload is removed; 0: never
    allow_private: tuple[str, ...] = ()  # networks that import URLs may lead to although private


@dataclass(frozen=True, slots=True)
class Instances:
    """What holds for all instances."""

    trash_days: int = 3  # days that deleted instances can be brought back; 0: they are gone at once


@dataclass(frozen=True, slots=True)
class Workers:
    """How operations are run; times in seconds."""

    threads: int = 8  # operations that one process runs at once
    heartbeat_s: float = 1.0  # how often a worker says that it is alive
    heartbeat_timeout_s: float = 5.0  # silence after which others take its operations over


@dataclass(frozen=True, slots=True)
class Observer:
    """How often hosts are looked at."""

    interval_s: float = 10.0  # one listing and one bulk statistics call per host and interval
    readiness_interval_s: float = 1.0  # how often a guest is asked whether it is ready
    addresses_interval_s: float = 60.0  # how often is looked where guests are seen; an agent is asked every 5 minutes
    heal_interval_s: float = 60.0  # how often taps, DHCP entries and names are compared and put back
    orphans_interval_s: float = 300.0  # how often things that no record knows are looked for
    lease_s: float = 5.0  # how long a silent observer keeps others from taking its place


@dataclass(frozen=True, slots=True)
class Retention:
    """What is forgotten, and when; looked at every hour. The oldest go first, and in small portions."""

    samples_h: int = 48  # hours that counters of guests are kept
    events_d: int = 30  # days that events are kept
    events_rows: int = 1_000_000  # at most so many events, however young
    audit_d: int = 365  # days that the audit log is kept
    audit_rows: int = 1_000_000  # at most so many entries of it, however young
    operations_d: int = 90  # days that ended operations are kept


@dataclass(frozen=True, slots=True)
class Backup:
    """Backups that the running server makes by itself; `zcloud doctor` shows how they went."""

    directory: str = ""  # where they go, another disk or machine at best; empty: none are made
    every_h: float = 24.0  # hours from one to the next
    keep: int = 14  # so many of them stay, older ones are removed
    passphrase_file: str = ""  # file with the passphrase that encrypts them; empty: they are not encrypted
    images: bool = False  # whether the images' files go along


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is given to Prometheus at /metrics, and to whom."""

    open_on_loopback: bool = False  # on this machine no token is needed; never with --no-tls, where a proxy asks
    instances: bool = True  # series for every instance, not only for hosts and pools


@dataclass(frozen=True, slots=True)
class Hosts:
    """What may be touched on hosts, beyond libvirt's directories and zcloud's own, and how soon one is lost."""

    roots: tuple[str, ...] = ()  # more paths below which pools may lie
    patience: float = 1.0  # times 3 s, for which a host may be silent before it is lost; more for slow lines


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set."""

    data_dir: Path = Path("/var/lib/zcloud")  # store, keys, certificates, images
    store_url: str = ""  # SQLAlchemy URL of the store; empty: SQLite in data_dir
    zone: str = "cloud.internal"  # names are instance.project.zone
    log_level: str = "INFO"  # DEBUG, INFO, WARNING or ERROR
    log_json: bool = False  # one JSON object a line instead of text
    log_file: str = ""  # a file that is rotated by the server; empty: standard error, which journald keeps
    log_file_max: int = 64 << 20  # bytes after which a new file is begun
    log_files: int = 5  # so many older files are kept
    server: Server = field(default_factory=Server)
    images: Images = field(default_factory=Images)
    instances: Instances = field(default_factory=Instances)
    workers: Workers = field(default_factory=Workers)
    observer: Observer = field(default_factory=Observer)
    metrics: Metrics = field(default_factory=Metrics)
    retention: Retention = field(default_factory=Retention)
    backup: Backup = field(default_factory=Backup)
    hosts: Hosts = field(default_factory=Hosts)

    @property
    def url(self) -> str:
        """Give the store's SQLAlchemy URL."""
        return self.store_url or f"sqlite:///{self.data_dir / 'zcloud.sqlite'}"

    @property
    def key_file(self) -> Path:
        """Give the file with the key that seals secrets."""
        return self.data_dir / "secret.key"

    @property
    def tls_dir(self) -> Path:
        """Give the directory of CA and server certificate."""
        return self.data_dir / "tls"

    @property
    def ssh_key(self) -> Path:
        """Give the private key that hosts let in."""
        return self.data_dir / "ssh" / "id_ed25519"

    @property
    def image_dir(self) -> Path:
        """Give the directory of image files, named by digest."""
        return self.data_dir / "images"

    @property
    def upload_dir(self) -> Path:
        """Give the directory of images that are still arriving."""
        return self.data_dir / "uploads"

    @property
    def probe_dir(self) -> Path:
        """Give the directory of the KVM probe's kernel and initramfs."""
        return self.data_dir / "probe-kit"

    @property
    def runtime_dir(self) -> Path:
        """Give the directory of forwarded sockets, readable by the service user only."""
        return self.data_dir / "run"


def load(path: Path | None = None, *, tolerant: bool = False) -> Config:
    """Read the configuration file (absent: all defaults); raises ConfigError naming the key.

    ``tolerant`` passes over keys that this version does not know (see ``unknown_keys``).
    """
    source = path or DEFAULT_PATH
    if not source.exists():
        if path is not None:
            raise ConfigError(f"{source}: no such file")
        return Config()
    try:
        tree = tomllib.loads(source.read_text())
    except OSError as error:
        raise ConfigError(f"{source}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from error
    config: Config = _build(Config, _known(Config, tree) if tolerant else tree, str(source))
    return config


def unknown_keys(source: Path) -> list[str]:
    """Give the keys of a file that this version does not know; raises ConfigError where it is not TOML."""
    try:
        tree = tomllib.loads(source.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: {error}") from error
    return sorted(_unknown(Config, tree))


def _unknown(cls: type[Any], tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    hints = get_type_hints(cls)
    for key, value in tree.items():
        if key not in hints:
            yield f"{prefix}{key}"
        elif dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            yield from _unknown(hints[key], value, f"{prefix}{key}.")


def _known(cls: type[Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {
        key: _known(hints[key], value) if dataclasses.is_dataclass(hints[key]) and isinstance(value, dict) else value
        for key, value in tree.items()
        if key in hints
    }


def _build(cls: type[Any], tree: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}; known: {', '.join(hints)}")
        values[key] = _convert(hints[key], value, f"{where}: {key}")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: must be a table")
        return _build(hint, value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint == tuple[str, ...] and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not (isinstance(hint, type) and type(value) is hint):
        raise ConfigError(f"{where}: must be {getattr(hint, '__name__', hint)}")
    return value
