"""The books of a cloud: what its hosts hold and what its store says, which have to be the same.

The store is read as plain rows, so that the code under test does not check itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, select

from zcloud.domain.network import Port
from zcloud.domain.storage import MOUNTS
from zcloud.drivers import registry
from zcloud.ports import DomainState, HostLink
from zcloud.store import Store, schema
from zcloud.testing.hostprocess import RemoteLinks, Traces

_PROBE = "/var/lib/zcloud/probe/"
_APPLIANCE = "/var/lib/libvirt/zcloud-appliance-"  # made once on each host
_LEASES = "/var/lib/libvirt/dnsmasq/zcloud/"
THEIRS = "f0f0f0f0"
"""How the uuid of a domain begins that others made: it is on its host whether or not a record knows it."""

_DOMAIN_STATE = {
    "running": DomainState.RUNNING,
    "paused": DomainState.PAUSED,
    "stopped": DomainState.SHUTOFF,
    "saved": DomainState.SHUTOFF,
    "trashed": DomainState.SHUTOFF,
}

_TABLES = (
    "operations", "events", "hosts", "pools", "pool_hosts", "networks", "images",
    "instances", "snapshots", "volumes", "ports", "claims", "secrets",
)  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """The rows of the store that are judged, by table."""

    tables: dict[str, list[Row]]

    @classmethod
    def read(cls, engine: Engine) -> Rows:
        """Read them all."""
        with engine.connect() as connection:
            return cls({name: _read(connection, name) for name in _TABLES})

    def of(self, table: str, **wanted: Any) -> list[Row]:
        """Give the rows of a table whose columns have these values."""
        return [row for row in self.tables[table] if all(row[key] == value for key, value in wanted.items())]


def _read(connection: Connection, name: str) -> list[Row]:
    query = select(schema.metadata.tables[name])
    if name == "events":  # there are many, and only the ends are counted
        query = query.where(schema.events.c.kind == "operation.ended")
    return [dict(row) for row in connection.execute(query).mappings()]


class Books:
    """Checks a cloud at rest. ``data`` is its directory; ``links`` leads to its hosts."""

    def __init__(self, url: str, data: Path, store: Store, links: RemoteLinks) -> None:
        self.data, self.store, self.links = data, store, links
        self._engine = create_engine(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def check(self, *hosts: str) -> None:
        """Assert that everything balances: store, image store, and each of the hosts (by id)."""
        rows = Rows.read(self._engine)
        self._check_store(rows)
        self._check_images(rows)
        self._check_disks(rows)
        for host_id in hosts:
            self._check_host(rows, host_id)

    def _check_store(self, rows: Rows) -> None:
        """No lock without an operation, one end for each operation, claims and secrets of what exists only."""
        for table, held in rows.tables.items():
            locked = [row["name"] for row in held if row.get("operation_id")]
            assert not locked, f"{table} is still locked: {locked}"
        ends = Counter(row["data"]["operation_id"] for row in rows.tables["events"])
        assert ends == Counter(row["id"] for row in rows.tables["operations"]), "an operation ended twice, or never"
        instances = {row["id"] for row in rows.tables["instances"]}
        assert {row["owner_id"] for row in rows.tables["secrets"]} <= instances, "a secret outlived its instance"
        volumes = {(row["pool_id"], row["id"]): row["size"] for row in rows.tables["volumes"]}
        volumes |= {(row["pool_id"], row["instance_id"]): _claimed_for_memory(rows, row) for row in _saved(rows)}
        volumes |= {(root["pool_id"], row["id"]): row["memory"]["bytes"] for row, root in _with_memory(rows)}
        claimed = rows.of("claims", provider_kind="pool")
        assert {(row["provider_id"], row["consumer_id"]): row["amount"] for row in claimed} == volumes
        running = {row["id"]: row for row in rows.tables["instances"] if row["status"] in ("running", "paused")}
        for claim in rows.of("claims", provider_kind="host"):
            owner = running[claim["consumer_id"]]
            assert claim["provider_id"] == owner["host_id"]
            assert claim["amount"] == owner["live"][claim["resource"]]
        assert len(rows.of("claims", provider_kind="host")) == 2 * len(running)
        owners = {row["instance_id"] for row in rows.tables["ports"]}
        assert owners == {row["instance_id"] for row in rows.tables["volumes"] if row["instance_id"]}

    def _check_disks(self, rows: Rows) -> None:
        """Each host mounts, and has written down, the disks that were prepared and not let go since."""
        for host_id in {row["resource_id"] for row in rows.of("operations", verb="prepare_disk")}:
            ended = rows.of("operations", resource_id=host_id, status="succeeded")
            prepared, released = (
                {row["args"]["mount"] for row in ended if row["verb"] == f"{verb}_disk"}
                for verb in ("prepare", "release")
            )
            traces = self.links.traces(host_id)
            assert traces.disks == traces.noted == prepared - released

    def _check_images(self, rows: Rows) -> None:
        """The image store holds the images that are ready, whole, and nothing half-made."""
        ready = {f"{row['digest']}.{row['format']}" for row in rows.of("images", state="ready")}
        assert {path.name for path in (self.data / "images").iterdir()} == ready
        assert not list((self.data / "uploads").iterdir())

    def _check_host(self, rows: Rows, host_id: str) -> None:
        traces, link = self.links.traces(host_id), self.links.link(host_id)
        made = {row["instance_id"] for row in rows.tables["volumes"]}  # a failed creation left only a record
        here = rows.of("instances", host_id=host_id)
        instances = [row for row in here if row["id"] in made or "adopted" in row["hardware"]]
        domains = {row["id"]: _DOMAIN_STATE[row["status"]] for row in instances}
        found = {uuid: state for uuid, (state, _) in traces.domains.items()}
        ours = {uuid: state for uuid, state in found.items() if uuid in domains or not uuid.startswith(THEIRS)}
        assert ours == domains
        for row in instances:
            assert traces.domains[row["id"]][1] <= row["incarnation"], "a domain was started twice"
        self._check_files(rows, host_id, traces)
        self._check_networks(rows, host_id, traces, link)

    def _check_files(self, rows: Rows, host_id: str, traces: Traces) -> None:
        expected: set[str] = set()
        bases: set[str] = set()
        joined = {row["pool_id"] for row in rows.of("pool_hosts", host_id=host_id)}
        assert traces.mounts == {f"{MOUNTS}/{id}" for id in joined}
        here = [row for row in rows.of("pools", state="ready") if row["host_id"] == host_id or row["id"] in joined]
        for pool in here:
            if "volume_group" in pool["options"]:
                expected |= _in_group(rows, pool)
                continue
            path = pool["options"].get("path") or f"{MOUNTS}/{pool['id']}"
            volumes = rows.of("volumes", pool_id=pool["id"])
            expected |= {f"{path}/zcloud-pool"} | {f"{path}/volumes/{_file(pool, row)}" for row in volumes}
            roots = [row for row in volumes if row["role"] == "root"]
            installed = {row["id"] for row in rows.of("instances") if row["hardware"].get("installed")}
            left = {row["id"]: row["hardware"].get("small_files") for row in rows.of("instances")}
            homes = {
                row["instance_id"]: left.get(row["instance_id"]) or row["pool_id"]
                for row in rows.of("volumes", role="root")
            }
            seeded = {id for id, home in homes.items() if home == pool["id"]} - installed  # answers told it all
            expected |= {f"{path}/artifacts/{id}.seed.iso" for id in seeded}
            expected |= {f"{path}/artifacts/{row['instance_id']}.saved" for row in _saved(rows) if row in roots}
            kept = [row for row, root in _with_memory(rows) if root in roots]
            expected |= {f"{path}/artifacts/{row['instance_id']}.{row['id']}.memory" for row in kept}
            images = {f"{row['digest']}.{row['format']}" for row in rows.of("images", state="ready")}
            bases |= {f"{path}/base/{name}" for name in images}
        networks = {row["id"] for row in rows.of("networks", host_id=host_id)}
        ports = [row for row in rows.tables["ports"] if row["network_id"] in networks]
        expected |= {f"{_LEASES}{row['network_id']}/{row['tap']}" for row in ports}
        found = {path for path in traces.files if not path.startswith((_PROBE, _APPLIANCE))}
        broken = [row["id"] for table in ("volumes", "snapshots") for row in rows.of(table, state="error")]
        half_removed = {path for path in expected if any(each in path for each in broken)}
        assert found - bases - half_removed == expected - half_removed

    def _check_networks(self, rows: Rows, host_id: str, traces: Traces, link: HostLink) -> None:
        addresses: dict[str, frozenset[str]] = {}
        guarded = []
        with self.store.read() as tx:
            networks = [each for each in tx.networks.all() if each.host_id == host_id and each.state == "ready"]
        for network in networks:
            ports = [Port(**row) for row in rows.of("ports", network_id=network.id)]
            addresses[f"zc-{network.id[:8]}"] = frozenset(port.address for port in ports)
            guarded += [registry.guarded(network, port) for port in ports]
        assert traces.networks == addresses
        difference = registry.guard(link).compare(guarded)
        assert not difference, difference


def _file(pool: Row, volume: Row) -> str:
    over = volume["image_id"] or volume["parent_id"]
    return f"{volume['id']}.{'qcow2' if over else pool['options'].get('format', 'qcow2')}"


def _in_group(rows: Rows, pool: Row) -> set[str]:
    """Give the devices of a thin pool in a volume group, those of the snapshots too, and its marker."""
    group, volumes = (
        f"/dev/{pool['options']['volume_group']}",
        {row["id"] for row in rows.of("volumes", pool_id=pool["id"])},
    )
    kept = {f"{id}.{row['id']}" for row in rows.of("snapshots", state="ready") for id in volumes & set(row["disks"])}
    marker = f"/var/lib/libvirt/images/zcloud-{pool['id']}/zcloud-pool"
    return {marker, f"{group}/zcloud-pool", *(f"{group}/zcloud-{each}" for each in volumes | kept)}


def _saved(rows: Rows) -> list[Row]:
    """Give the root volumes of the instances whose memory is in a file."""
    saved = {row["id"] for row in rows.tables["instances"] if "saved" in row["hardware"]}
    return [row for row in rows.of("volumes", role="root") if row["instance_id"] in saved]


def _with_memory(rows: Rows) -> list[tuple[Row, Row]]:
    """Give the snapshots with memory, each with the root volume in whose pool that is."""
    roots = {row["instance_id"]: row for row in rows.of("volumes", role="root")}
    return [(row, roots[row["instance_id"]]) for row in rows.of("snapshots") if row["memory"]]


def _claimed_for_memory(rows: Rows, root: Row) -> int:
    (instance,) = rows.of("instances", id=root["instance_id"])
    return int(instance["hardware"]["saved"]["claimed"])
