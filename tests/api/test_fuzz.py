"""The API's own description against the API: whatever it allows or forbids, the answer is one that it describes."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.conftest import Cloud

from zcloud.api.access import ROUTES

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("ZCLOUD_FUZZ_EXAMPLES", "8"))  # of each route; scripts/soak tries 200
LEFT_OUT = {
    ("GET", "/v1/openapi.json"): "the description does not describe itself",
    ("WEBSOCKET", "/v1/console"): "not a request; test_streams has it",
}
OPERATIONS = sorted(ROUTES.keys() - LEFT_OUT.keys())
# What follows or waits for long by itself; the fuzzer asks it for what ends at once.
BOUNDED = {"wait": 0}


def _known(cloud: Cloud, noun: str) -> dict[str, list[str]]:
    """Give names and ids that there are, by the parameter or field that takes them; ``ref`` is a thing of the noun."""
    refs = {
        "instances": [cloud.instance.name, cloud.running.id],
        "operations": [cloud.operation.id],
        "volumes": [cloud.volume.id],
        "users": ["member", "admin"],
        "projects": ["default", cloud.other.id],
        "hosts": ["anton", cloud.host.id],
        "pools": ["local", cloud.pool.id],
        "networks": ["lan", cloud.network.id],
        "images": [cloud.image.name, cloud.image.id],
        "flavors": ["small"],
    }
    there = refs.get(noun, ["unknown"])
    fields = {"image": "images", "host": "hosts", "pool": "pools", "network": "networks", "flavor": "flavors"}
    return {"ref": there, "id": there, "user": ["stranger"], "project": ["default"]} | {
        field: refs[nouns] for field, nouns in fields.items()
    }


@st.composite
def cases(draw: st.DrawFn, requests: st.SearchStrategy[Case[Any]], known: dict[str, list[str]]) -> Case[Any]:
    """Draw a request, valid or not, that is mostly about things that there are."""
    case = draw(requests)
    parts: tuple[Any, ...] = (case.path_parameters, case.body, case.query)
    for values in parts:
        for name in sorted(known.keys() & values.keys()) if isinstance(values, dict) else ():
            values[name] = draw(st.sampled_from([*known[name], values[name]]))
    case.query.update({name: BOUNDED[name] for name in BOUNDED.keys() & case.query.keys()})
    case.headers.pop("Authorization", None)
    if draw(st.booleans()):
        case.headers.pop("If-Match", None)
    return case


@pytest.fixture(scope="module")
def schema(still: Cloud) -> Any:
    """Give what the server says of itself; to make it and to read it costs more than most of these tests."""
    answer = still.client.get("/v1/openapi.json")
    assert answer.status_code == 200
    return schemathesis.openapi.from_dict(answer.json())


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_every_answer_is_one_that_is_described(cloud: Cloud, schema: Any, method: str, path: str) -> None:
    operation, headers = schema[path][method], cloud.headers("admin")
    requests = st.one_of(*(operation.as_strategy(mode) for mode in GenerationMode))
    known = _known(cloud, path.removeprefix("/v1/").partition("/")[0])

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases(requests, known))
    def holds(case: Case[Any]) -> None:
        answer = case.call(headers=headers, app=cloud.app)
        case.validate_response(answer, checks=CHECKS)

    holds()
