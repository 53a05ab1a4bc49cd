"""The whole HTTP interface of the portfolio builder, as its own wiring makes it."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from services.common.daemon import Process
from services.common.http import HttpServer
from services.common.settings import REPOSITORY, PortfolioSettings
from services.common.store import Store
from services.portfolio_builder.__main__ import build
from services.portfolio_builder.allocation_store import AllocationStore
from tests.support.http import http_client
from tests.support.rows import add_operator

pytestmark = pytest.mark.servers

#: Open to whoever watches the process.
OPEN = {"/health", "/metrics"}
#: Answered as something else than JSON.
PAGES = {"text/html", "text/csv"}


@pytest.fixture
def app(connection: dict[str, Any], store: Store) -> FastAPI:
    """The app of the process, which is built and not started."""
    process = Process("portfolio_builder", PortfolioSettings(**connection))
    build(process)
    (server,) = (part for part in process._parts if isinstance(part, HttpServer))
    return server._server.config.app


@pytest.fixture
def http(app: FastAPI) -> Iterator[httpx.Client]:
    with http_client(app) as client:
        yield client


def operations(app):
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if path not in OPEN:
                yield f"{method.upper()} {path}", operation


def untyped(schema, where):
    """Places in a schema that say nothing of what is there."""
    if not isinstance(schema, dict):
        return
    kinds = {"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "type"}
    if not kinds & schema.keys():
        yield where
    if schema.get("type") == "object" and not {"properties", "additionalProperties"} & (
        schema.keys()
    ):
        yield where
    if schema.get("additionalProperties") is True:
        yield where
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        yield where
    for name, each in schema.get("properties", {}).items():
        yield from untyped(each, f"{where}.{name}")
    for name in ("items", "additionalProperties"):
        yield from untyped(schema.get(name), f"{where}.{name}")
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, each in enumerate(schema.get(name, ())):
            yield from untyped(each, f"{where}.{name}[{number}]")


def test_every_route_of_the_seed_is_there(app):
    names = {name for name, _ in operations(app)}
    assert names >= {
        "GET /api/v1/strategies",
        "POST /api/v1/strategies",
        "GET /api/v1/strategies/{strategy_id}",
        "PUT /api/v1/strategies/{strategy_id}",
        "DELETE /api/v1/strategies/{strategy_id}",
        "GET /api/v1/allocations/current",
        "POST /api/v1/allocations/approve",
        "GET /api/v1/portfolio-tests",
        "POST /api/v1/portfolio-tests/run",
        "DELETE /api/v1/portfolio-tests/{test_id}",
        "GET /api/v1/portfolio-tests/{test_id}/tearsheet",
    }


def test_every_operation_says_what_it_does(app):
    for name, operation in operations(app):
        assert operation.get("description"), name
        assert operation.get("operationId"), name
    ids = [operation["operationId"] for _, operation in operations(app)]
    assert len(ids) == len(set(ids))


def faults_of(operation):
    """What the answers of an operation leave open."""
    answers = operation["responses"]
    if "Problem" not in str(answers.get("401")):
        yield "401 has no Problem"
    good = {code: answer for code, answer in answers.items() if code.startswith("2")}
    if not good:
        yield "no good answer"
    for code, answer in good.items():
        for media, content in answer.get("content", {}).items():
            if media != "application/json" and media not in PAGES:
                yield f"{code} as {media}"
            yield from untyped(content.get("schema", {}), code)
        if code != "204" and not answer.get("content"):
            yield f"{code} without content"


def test_every_operation_has_a_typed_answer_and_a_typed_refusal(app):
    found = {name: list(faults_of(operation)) for name, operation in operations(app)}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_no_object_is_untyped(app):
    schemas = app.openapi()["components"]["schemas"]
    known = {"ValidationError"}  # FastAPI's own, which no route of ours answers with
    found = [
        place
        for name, schema in schemas.items()
        if name not in known
        for place in untyped(schema, name)
    ]
    assert found == []


def test_health_is_open_and_names_the_studies(http, store):
    found = http.get("/health").json()
    assert set(found["dependencies"]) >= {"mongodb", "studies"}


def test_what_is_not_there_is_a_sentence(http, store):
    key = add_operator(store)
    answer = http.get("/api/v1/nothing", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_the_serving_process_carries_no_numerical_library():
    """They would triple its memory; studies and reviews have them in processes of their own."""
    heavy = ("numpy", "scipy", "matplotlib", "sklearn", "clarabel", "pandas")
    code = "import sys, services.portfolio_builder.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "services.portfolio_builder.study_api" in done.stdout.split()
    assert [name for name in heavy if name in done.stdout.split()] == []


#: Values at the edges of what numbers, times and texts are kept in.
EDGES = (
    "-1",
    str(2**63),
    "1" * 400,
    "NaN",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31",
    "\x00",
    "é💥",
    "$gt",
)


def is_answered_in_words(answer):
    if answer.status_code < 400:
        return True
    return answer.status_code < 500 and {"code", "message", "field"} == answer.json().keys()


def test_no_parameter_at_an_edge_breaks_an_answer(app, http, store):
    headers = {"Authorization": f"Bearer {add_operator(store)}"}
    broken = []
    for name, operation in operations(app):
        method, path = name.split()
        for parameter, edge in itertools.product(operation.get("parameters", []), EDGES):
            asked = {parameter["name"]: edge} if parameter["in"] == "query" else {}
            place = f"{{{parameter['name']}}}"
            url = path.replace(place, quote(edge, safe="")).replace("{", "").replace("}", "")
            answer = http.request(method, url, params=asked, headers=headers)
            if not is_answered_in_words(answer):
                broken.append((name, parameter["name"], edge))
    assert broken == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("allocations/revert", {"to_version": 2**63, "version": 0, "reason": "x"}),
        ("allocations/approve", {"allocations": {}, "version": 2**63, "reason": "x"}),
        (
            "whatif",
            {
                "controls": [
                    {
                        "scope": "SYSTEM",
                        "trading_state": "ACTIVE",
                        "set_at": "9999-12-31T23:59:59-14:00",
                    }
                ]
            },
        ),
    ],
)
def test_no_figure_at_an_edge_breaks_an_answer(http, store, path, body):
    headers = {"Authorization": f"Bearer {add_operator(store)}"}
    answer = http.post(f"/api/v1/{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMETER")


def test_what_nobody_foresaw_is_answered_in_the_same_form(app, http, store, monkeypatch):
    def broken(*_args, **_fields):
        raise ZeroDivisionError

    monkeypatch.setattr(AllocationStore, "current", broken)
    headers = {"Authorization": f"Bearer {add_operator(store)}"}
    answer = http.get("/api/v1/allocations/current", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
