"""``/metrics``: who reads it, what it tells, and that Prometheus' own tool accepts it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests import builders
from tests.api.conftest import Cloud

from zcloud.api.app import create_app
from zcloud.domain.instance import InstanceStatus, Ready
from zcloud.domain.operation import OperationStatus
from zcloud.domain.samples import pack
from zcloud.services.context import Services
from zcloud.services.metric_families import every_family
from zcloud.services.metrics import Metrics, MetricsOptions
from zcloud.store import Tx

LINE = re.compile(r'^[a-z_]+(\{([a-z_]+="(\\.|[^"\\])*",?)+\})? -?[0-9.e+]+(inf)?$')
COUNTERS = {
    "cpu_ns": 12_500_000_000, "vcpus": 2, "memory_kib": 2048, "rss_kib": 1024,
    "disks": {"vda": {"rd_bytes": 5, "rd_reqs": 1, "wr_bytes": 7, "wr_reqs": 2}, "vdb": {"rd_bytes": 10}},
    "nics": {"zt1": {"rx_bytes": 3, "tx_bytes": 4, "rx_packets": 1, "tx_packets": 1}},
}  # fmt: skip
NODE = {
    "user_ns": 10**9,
    "system_ns": 2 * 10**9,
    "iowait_ns": 0,
    "idle_ns": 10**10,
    "memory_kib": 64,
    "available_kib": 8,
}


def sample(cloud: Cloud) -> None:
    """Keep a tick of the running instance's host, as the observer does."""
    rows = [{"id": cloud.host.id, **NODE}, {"id": cloud.running.id, **COUNTERS}]
    cloud.store.transact(lambda tx: tx.samples.add(cloud.running.host_id, tx.now, pack(rows)))


def page(cloud: Cloud) -> str:
    answer = cloud.get("/metrics", "operator")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return str(answer.text)


def test_a_guest_is_told_from_its_last_sample(cloud: Cloud) -> None:
    sample(cloud)
    text, labels = page(cloud), f'{{project="default",name="{cloud.running.name}"}}'
    for name, value in (
        ("cpu_seconds_total", 12.5), ("vcpus", 2), ("memory_bytes", 2 << 20), ("memory_resident_bytes", 1 << 20),
        ("disk_read_bytes_total", 15), ("disk_written_bytes_total", 7), ("disk_writes_total", 2),
        ("network_received_bytes_total", 3), ("network_sent_packets_total", 1),
    ):  # fmt: skip
        assert f"zcloud_instance_{name}{labels} {value}\n" in text, name
    assert f'zcloud_host_cpu_seconds_total{{host="{cloud.host.name}",mode="system"}} 2.0\n' in text
    assert f'zcloud_host_memory_available_bytes{{host="{cloud.host.name}"}} {8 << 10}\n' in text


def test_old_counters_are_not_told(cloud: Cloud) -> None:
    cloud.store.transact(lambda tx: tx.samples.add(cloud.running.host_id, builders.NOW, pack([])))
    assert "zcloud_instance_cpu_seconds_total" not in page(cloud)
    assert f'zcloud_instance_status{{project="default",name="{cloud.running.name}",status="running"}} 1\n' in page(
        cloud
    )


def test_every_metric_is_there_and_each_line_is_well_formed(cloud: Cloud) -> None:
    sample(cloud)
    hold(cloud, "disk")
    backups = {"directory": "/b", "every_h": 24.0, "last_at": builders.NOW.isoformat()}
    cloud.store.transact(lambda tx: tx.settings.put("backups.state", backups))
    text = "".join(everything(cloud).read())
    assert [each.name for each in every_family() if f"# TYPE {each.name} {each.kind}\n" not in text] == []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.match(line.lower())] == []
    names = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "the series of a metric stand together"


def everything(cloud: Cloud) -> Metrics:
    """Give the service with everything that it may be given."""
    options = MetricsOptions(version="1", certificates=lambda: {"server": builders.NOW})
    return Metrics(Services(cloud.store, cloud.parts.health._clock, "cloud.internal"), options)


def hold(cloud: Cloud, why: str) -> None:
    """Pause the running instance, which is ready, for an error."""
    changes: dict[str, Any] = {"status": InstanceStatus.PAUSED, "ready": Ready.READY, "observed": {"paused_for": why}}
    cloud.store.transact(lambda tx: tx.instances.update(cloud.running.id, **changes))


def test_prometheus_accepts_it(cloud: Cloud) -> None:
    sample(cloud)
    hold(cloud, "space")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input="".join(everything(cloud).read()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_name_cannot_break_a_line(cloud: Cloud) -> None:
    name = 'x"} 1\nzcloud_up{a="\\' + "y" * 200
    cloud.store.transact(lambda tx: tx.hosts.add(builders.host(name=name)))
    [line] = [line for line in page(cloud).splitlines() if line.startswith('zcloud_host_kvm{host="x')]
    assert line.startswith('zcloud_host_kvm{host="x\\"} 1\\nzcloud_up{a=\\"\\\\yyy')
    assert len(line) < 200


def test_a_held_guest_is_told_even_without_series_of_instances(cloud: Cloud) -> None:
    hold(cloud, "space")
    services = Services(cloud.store, cloud.parts.health._clock, "cloud.internal")
    text = "".join(Metrics(services, MetricsOptions(instances=False)).read())
    assert (
        f'zcloud_instance_paused_by_error{{project="default",name="{cloud.running.name}",reason="space"}} 1\n' in text
    )
    assert "zcloud_instance_status" not in text
    assert 'zcloud_instances{status="paused"} 1\n' in text


def test_the_queue_is_told(cloud: Cloud) -> None:
    def work(tx: Tx) -> None:
        for status in (OperationStatus.BLOCKED, OperationStatus.BLOCKED, OperationStatus.SUCCEEDED):
            tx.operations.add(builders.operation(project_id=cloud.home.id, status=status))

    cloud.store.transact(work)
    text = page(cloud)
    assert 'zcloud_operations{status="blocked"} 2\n' in text
    assert 'zcloud_operations{status="succeeded"}' not in text
    assert float(re.findall(r"^zcloud_operation_queued_seconds (.*)$", text, re.MULTILINE)[0]) > 0


def test_requests_are_counted_by_route_and_not_by_what_was_asked_for(cloud: Cloud) -> None:
    cloud.get("/v1/instances/hunt-for-this")
    cloud.get("/nosuch/hunt-for-this")
    cloud.client.request("BREW", "/v1/instances")
    text = page(cloud)
    assert "hunt-for-this" not in text
    assert "BREW" not in text
    assert 'zcloud_http_requests_total{method="GET",route="/v1/instances/{ref}",status="404"}' in text
    assert 'zcloud_http_requests_total{method="GET",route="none",status="404"}' in text


@pytest.mark.parametrize(("user", "status"), [("admin", 200), ("operator", 200), ("member", 403), ("viewer", 403)])
def test_a_role_in_a_project_is_not_enough(cloud: Cloud, user: str, status: int) -> None:
    assert cloud.get("/metrics", user).status_code == status


def test_a_viewers_token_reads_it(cloud: Cloud) -> None:
    token = cloud.post("/v1/tokens", {"name": "prometheus", "role": "viewer"}).json()["secret"]
    read = {"Authorization": f"Bearer {token}"}
    assert cloud.client.get("/metrics", headers=read).status_code == 200
    assert cloud.client.post("/v1/flavors", json={}, headers=read).status_code == 403


@pytest.mark.parametrize(
    ("open_metrics", "client", "headers", "status"),
    [
        (True, "127.0.0.1", {}, 200),
        (True, "::1", {}, 200),
        (True, "192.0.2.9", {}, 401),
        (True, "127.0.0.1", {"X-Forwarded-For": "192.0.2.9"}, 401),
        (True, "127.0.0.1", {"Forwarded": "for=192.0.2.9"}, 401),
        (False, "127.0.0.1", {}, 401),
    ],
)
def test_the_loopback_is_let_in_by_configuration_only(
    cloud: Cloud, open_metrics: bool, client: str, headers: dict[str, str], status: int
) -> None:
    parts: Any = replace(cloud.parts, settings=replace(cloud.parts.settings, open_metrics=open_metrics))
    with TestClient(create_app(parts), client=(client, 5)) as asking:
        assert asking.get("/metrics", headers=headers).status_code == status
        assert asking.get("/v1/hosts", headers=headers).status_code == 401
