"""Every route of every service is asked what nobody should ask it, by everybody: no 5xx, no hang.

Requests are made from our own OpenAPI: ones that fit it, ones that do not, and bodies that are no
JSON at all. `HOSTILE_REQUESTS` says how many a route gets.
"""

import os
import random
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.domain.users import Role
from tests.support.builders import make_signal
from tests.support.documents import (
    make_fill_document,
    make_order_document,
    make_position_document,
    make_signal_document,
)
from tests.support.http import http_client
from tests.support.interfaces import INTERFACES, interface
from tests.support.people import add_key, add_user
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_strategy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis

pytestmark = pytest.mark.servers
COUNT = int(os.environ.get("HOSTILE_REQUESTS", "4"))
PATIENCE_SECONDS = 20
SIGNAL = "sig-1"
ORDER = "sig-1-0-A-1"
#: A stream does not end; who may see what of it has tests of its own.
ENDLESS = {"GET /api/v1/stream"}
#: Somebody else does not answer, and the caller may ask again: no fault of ours.
NOT_NOW = {503, 504}
GENERATED = {
    "max_examples": COUNT,
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


class Hostile:
    """A service, and somebody of each role who asks it."""

    def __init__(self, app, address, keys):
        self._address = address
        self._keys = keys
        schema = schemathesis.openapi.from_dict(app.openapi())
        every = [found.ok() for found in schema.get_all_operations()]
        self.operations = [each for each in every if each.label not in ENDLESS]

    def requests(self, operation):
        """Cases of one route: known ids in half of them, and who asks."""
        ids = {"strategy_id": STRATEGY, "account_id": ACCOUNT, "signal_id": SIGNAL}
        ids |= {"client_order_id": ORDER, "order_id": ORDER, "name": "anna"}
        wanted = {each.name for each in operation.path_parameters}
        known = {name: value for name, value in ids.items() if name in wanted}
        modes = schemathesis.GenerationMode
        cases = [operation.as_strategy(generation_mode=mode) for mode in modes]
        if known.keys() == wanted and known:
            cases.append(operation.as_strategy(path_parameters=known))
        return st.tuples(st.one_of(cases), st.sampled_from([*self._keys.values(), "", "mta_x"]))

    def ask(self, case, key, **more):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return case.call(self._address, headers=headers, timeout=PATIENCE_SECONDS, **more)


@pytest.fixture(scope="module")
def keys(shared_store):
    """A key of somebody of each role, and one row of what routes look for."""
    for role in Role:
        fields = {"strategies": [STRATEGY]} if role is Role.DEVELOPER else {}
        add_user(shared_store, role.lower(), role, **fields)
    add_strategy(shared_store)
    add_account(shared_store)
    ids = {"strategy_id": STRATEGY, "signal_id": SIGNAL, "account_id": ACCOUNT}
    signal = make_signal(signal_id=SIGNAL).model_copy(update={"strategy_id": STRATEGY})
    row = make_signal_document(signal=signal)
    row["decision"]["context"] = "{}"
    shared_store["signal_store"].insert_one(row)
    shared_store["orders"].insert_one(make_order_document(client_order_id=ORDER, **ids))
    shared_store["execution_confirmations"].insert_one(
        make_fill_document(commission_currency="USD", **ids)
    )
    shared_store["positions"].insert_one(make_position_document(strategy_id=STRATEGY))
    return {role: add_key(shared_store, role.lower()) for role in Role}


@pytest.fixture(scope="module", params=INTERFACES)
def hostile(request, shared_store, shared_connection, keys, bus):
    fields = {
        **shared_connection,
        "pubsub_emulator_host": bus.address,
        "pubsub_project_id": "hostile",
        "rate_limit_failures_per_min": 0,
    }
    with interface(request.param, fields) as app, http_client(app) as client:
        yield Hostile(app, str(client.base_url), keys)


def check(answer, case):
    said = f"{case.as_curl_command()}\n{answer.status_code} {answer.text[:500]}"
    assert answer.status_code < 500 or answer.status_code in NOT_NOW, said
    if answer.status_code >= 400 and "json" in answer.headers.get("Content-Type", ""):
        problem = answer.json()
        assert problem["code"], said
        assert problem["message"], said


def test_whatever_is_asked_is_answered_or_refused_by_name(hostile):
    for operation in hostile.operations:

        @settings(**GENERATED)
        @given(hostile.requests(operation))
        def ask(asked):
            case, key = asked
            check(hostile.ask(case, key), case)

        ask()


def test_a_body_that_is_no_json_is_refused_by_name(hostile, keys):
    dice = random.Random(20261122)  # noqa: S311 - the same every time
    bodies = [b"", b"\xff\xfe", b"[" * 50_000, b'{"a":' * 20_000, b"NaN", b"1e999999", b"null"]
    bodies += [b'{"a":"\\ud800"}', b'"' + b"a" * 300_000 + b'"', dice.randbytes(2000)]
    for operation in hostile.operations:
        if operation.method.upper() != "GET":
            path = {each.name: "1" for each in operation.path_parameters}
            for body in dice.sample(bodies, min(COUNT // 2, len(bodies))):
                case = operation.Case(path_parameters=path, media_type="application/json")
                check(hostile.ask(case, keys[Role.ADMIN], data=body), case)
