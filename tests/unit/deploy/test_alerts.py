"""Each alert fires when it should, none fires while all is well, and rules and dashboard name only metrics that are."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from zcloud.base import meters
from zcloud.services.metric_families import every_family

MONITORING = Path(str(resources.files("zcloud"))) / "deploy" / "monitoring"
RULES = MONITORING / "zcloud.rules.yml"
DASHBOARD = MONITORING / "zcloud-dashboard.json"
DAY = 86400
GIB = 1 << 30
POOL, HOST = 'pool="p",host="h"', 'host="h"'

Series = dict[str, str | None]

# promtool's notation: 1x120 is 1 at each of 120 minutes, 0+2x120 grows by 2 a minute.
WELL: Series = {
    'up{job="zcloud",instance="s"}': "1x120",
    "zcloud_observer_age_seconds": "1x120",
    "zcloud_worker_heartbeat_age_seconds": "1x120",
    "zcloud_operation_queued_seconds": "0x120",
    'zcloud_operations{status="blocked"}': "0x120",
    'zcloud_operation_duration_seconds_count{verb="create",resource="instance",outcome="failed"}': "0x120",
    'zcloud_http_requests_total{method="GET",route="/v1/me",status="500"}': "0x120",
    'zcloud_store_write_duration_seconds_bucket{le="1"}': "0+60x120",
    'zcloud_store_write_duration_seconds_bucket{le="5"}': "0+60x120",
    'zcloud_store_write_duration_seconds_bucket{le="+Inf"}': "0+60x120",
    'zcloud_certificate_expiry_timestamp_seconds{certificate="server"}': f"{400 * DAY}x120",
    f'zcloud_host_state{{{HOST},state="lost"}}': "0x120",
    f'zcloud_host_state{{{HOST},state="degraded"}}': "0x120",
    f'zcloud_host_state{{{HOST},state="up"}}': "1x120",
    f"zcloud_host_seen_seconds{{{HOST}}}": "8x120",
    f'zcloud_libvirt_call_duration_seconds_bucket{{{HOST},connection="watch",le="0.5"}}': "0+60x120",
    f'zcloud_libvirt_call_duration_seconds_bucket{{{HOST},connection="watch",le="10"}}': "0+60x120",
    f'zcloud_libvirt_call_duration_seconds_bucket{{{HOST},connection="watch",le="+Inf"}}': "0+60x120",
    f"zcloud_host_memory_available_bytes{{{HOST}}}": f"{50 * GIB}x120",
    f"zcloud_host_memory_bytes{{{HOST}}}": f"{100 * GIB}x120",
    f"zcloud_pool_size_bytes{{{POOL}}}": f"{100 * GIB}x120",
    f"zcloud_pool_free_bytes{{{POOL}}}": f"{60 * GIB}x120",
    f"zcloud_pool_promised_bytes{{{POOL}}}": f"{90 * GIB}x120",
    f"zcloud_pool_seen_seconds{{{POOL}}}": "8x120",
    f"zcloud_pool_ready{{{POOL}}}": "1x120",
    "zcloud_backup_age_seconds": f"{DAY}x120",
    "zcloud_backup_interval_seconds": f"{DAY}x120",
    "zcloud_backup_failed": "0x120",
    "zcloud_reconciling": "0x120",
    'zcloud_instances{status="missing"}': "0x120",
    'zcloud_instances{status="error"}': "0x120",
}
FREE, LIBVIRT = f"zcloud_pool_free_bytes{{{POOL}}}", "zcloud_libvirt_call_duration_seconds_bucket"
WRITES = "zcloud_store_write_duration_seconds_bucket"
# alert: what is not well, and the labels with which it fires
CASES: dict[str, tuple[Series, str]] = {
    "ZcloudDown": ({'up{job="zcloud",instance="s"}': "0x120"}, 'instance="s",job="zcloud",'),
    "ZcloudObserverLate": ({"zcloud_observer_age_seconds": "1 40x120"}, ""),
    "ZcloudNoWorker": ({"zcloud_worker_heartbeat_age_seconds": "20x120"}, ""),
    "ZcloudOperationsQueued": ({"zcloud_operation_queued_seconds": "0+60x120"}, ""),
    "ZcloudOperationsBlocked": ({'zcloud_operations{status="blocked"}': "2x120"}, ""),
    "ZcloudOperationsFail": (
        {'zcloud_operation_duration_seconds_count{verb="create",resource="instance",outcome="failed"}': "0+1x120"},
        'resource="instance",verb="create",',
    ),
    "ZcloudServerErrors": ({'zcloud_http_requests_total{method="GET",route="/v1/me",status="500"}': "0+2x120"}, ""),
    "ZcloudStoreSlow": ({f'{WRITES}{{le="1"}}': "0x120"}, ""),
    "ZcloudCertificateEnds": (
        {'zcloud_certificate_expiry_timestamp_seconds{certificate="server"}': f"{20 * DAY}x120"},
        'certificate="server",',
    ),
    "ZcloudBackupTooOld": ({"zcloud_backup_age_seconds": f"{3 * DAY}x120"}, ""),
    "ZcloudBackupFailed": ({"zcloud_backup_failed": "1x120"}, ""),
    "ZcloudReconciling": ({"zcloud_reconciling": "1x120"}, ""),
    "ZcloudHostLost": ({f'zcloud_host_state{{{HOST},state="lost"}}': "1x120"}, 'host="h",'),
    "ZcloudHostDegraded": ({f'zcloud_host_state{{{HOST},state="degraded"}}': "1x120"}, 'host="h",'),
    "ZcloudHostNotSeen": ({f"zcloud_host_seen_seconds{{{HOST}}}": "0+60x120"}, 'host="h",'),
    "ZcloudLibvirtSlow": ({f'{LIBVIRT}{{{HOST},connection="watch",le="0.5"}}': "0x120"}, 'host="h",'),
    "ZcloudHostMemoryLow": ({f"zcloud_host_memory_available_bytes{{{HOST}}}": f"{4 * GIB}x120"}, 'host="h",'),
    "ZcloudPoolNearlyFull": ({FREE: f"{9 * GIB}x120"}, 'pool="p",'),
    "ZcloudPoolFull": ({FREE: f"{2 * GIB}x120"}, 'pool="p",'),
    "ZcloudPoolOvercommitDanger": (
        {FREE: f"{20 * GIB}x120", f"zcloud_pool_promised_bytes{{{POOL}}}": f"{200 * GIB}x120"},
        'pool="p",',
    ),
    "ZcloudPoolFillsUp": ({FREE: f"{39 * GIB}-{GIB // 16}x120"}, 'host="h",pool="p",'),
    "ZcloudPoolNotSeen": ({f"zcloud_pool_ready{{{POOL}}}": "0x120"}, 'pool="p",'),
    "ZcloudGuestPausedByError": (
        {'zcloud_instance_paused_by_error{project="d",name="web",reason="space"}': "1x120"},
        'name="web",project="d",reason="space",',
    ),
    "ZcloudInstancesMissing": ({'zcloud_instances{status="missing"}': "3x120"}, ""),
    "ZcloudInstancesInError": ({'zcloud_instances{status="error"}': "1x120"}, ""),
}
ABSENT = {"ZcloudObserverLate": "zcloud_observer_age_seconds", "ZcloudNoWorker": "zcloud_worker_heartbeat_age_seconds"}


@cache
def alerts() -> dict[str, Any]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(tmp_path: Path, tests: list[dict[str, Any]]) -> None:
    """Run promtool's unit tests: series, a query, what it has to give after two hours."""
    file = tmp_path / "tests.yml"  # JSON is YAML, and written faster
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def case(changes: Series, query: str, samples: list[str]) -> dict[str, Any]:
    series = {**WELL, **changes}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values is not None],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "110m",
                "exp_samples": [{"labels": labels, "value": 1} for labels in samples],
            }
        ],
    }


def firing(alert: str, labels: str) -> tuple[str, list[str]]:
    """Give the query for an alert that fires, and what it has to give."""
    severity = alerts()[alert]["labels"]["severity"]
    told = f'ALERTS{{alertname="{alert}",alertstate="firing",{labels}severity="{severity}"}}'
    return f'ALERTS{{alertname="{alert}",alertstate="firing"}}', [told]


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    promtool(tmp_path, [case({}, "ALERTS", [])])


def test_each_alert_fires(tmp_path: Path) -> None:
    assert alerts().keys() == CASES.keys(), "each alert has its case"
    tests = [case(changes, *firing(alert, labels)) for alert, (changes, labels) in CASES.items()]
    tests += [case({series: None}, *firing(alert, "")) for alert, series in ABSENT.items()]
    promtool(tmp_path, tests)


def test_a_server_that_is_down_is_told_once(tmp_path: Path) -> None:
    down: Series = dict.fromkeys(WELL)
    down['up{job="zcloud",instance="s"}'] = "0x120"
    query = 'ALERTS{alertstate="firing"}'
    promtool(tmp_path, [case(down, query, firing("ZcloudDown", 'instance="s",job="zcloud",')[1])])


def test_each_alert_says_what_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert set(rule["annotations"]) == {"summary", "description"}, name


def given() -> set[str]:
    """Give the name of every series that /metrics may give."""
    own = {f"{each.name}{suffix}" for each in meters.REGISTRY.collect() for suffix in suffixes(each.type)}
    return own | {each.name for each in every_family()} | {"up"}


def suffixes(kind: str) -> tuple[str, ...]:
    return {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}.get(kind, ("",))


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:zcloud|process)_[a-z_]+[a-z]\b", text))


def dashboard_queries() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return queries + [each["query"]["query"] for each in board["templating"]["list"] if isinstance(each["query"], dict)]


@pytest.mark.parametrize("queries", [dashboard_queries(), [rule["expr"] for rule in alerts().values()]])
def test_every_metric_that_is_named_is_given(queries: list[str]) -> None:
    names = set().union(*map(named, queries))
    assert len(names) > 15
    assert names - given() == set()


def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    queries = [each for each in dashboard_queries() if not each.startswith("label_values")]
    plain = [re.sub(r"\$__rate_interval", "5m", re.sub(r"\$(host|project)\b", ".*", each)) for each in queries]
    rules = [{"record": f"a:b{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert (len(rules) > 30, done.returncode) == (True, 0), done.stdout + done.stderr


def test_the_dashboard_has_no_panel_twice_and_none_on_top_of_another() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    taken = [(x, y) for each in panels for x in columns(each) for y in rows(each)]
    assert len(set(taken)) == len(taken)


def columns(panel: dict[str, Any]) -> range:
    place = panel["gridPos"]
    return range(place["x"], place["x"] + place["w"])


def rows(panel: dict[str, Any]) -> range:
    place = panel["gridPos"]
    return range(place["y"], place["y"] + place["h"])
