"""POST /api/v1/kill: operators only, the switch before the answer, and a second yes."""

import pytest

from services.common.controls import controls, set_control
from services.common.kills import kill_run
from services.domain.words import Scope, TradingState
from tests.support.builders import ACCOUNT
from tests.support.gateway import gateway, post
from tests.support.rows import add_account, add_strategy, allow_trading

pytestmark = pytest.mark.servers
PATH = "/api/v1/kill"


@pytest.fixture
def client(store):
    allow_trading(store)
    add_account(store)
    with gateway(store) as opened:
        yield opened


@pytest.fixture
def operator(client):
    return client.credentials.create_operator("olga", by="test").secret


def order(stage="CANCEL", **fields):
    return {"scope": "ACCOUNT", "scope_id": ACCOUNT, "stage": stage, "reason": "drill", **fields}


def send(client, asked, key=None):
    return post(client, asked, key, path=PATH, **{"Content-Type": "application/json"})


def get(client, key, path=PATH):
    return client.get(path, headers={"Authorization": f"Bearer {key}"})


def code_of(answer):
    return answer.status_code, answer.json().get("code")


def test_a_kill_is_accepted_with_the_switch_set_and_can_be_followed(store, client, operator):
    answer = send(client, order(), operator)
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["by"], made["seconds"]) == ("RUNNING", "olga", None)
    assert [each["account_id"] for each in made["accounts"]] == [ACCOUNT]
    (control,) = [each for each in controls(store) if each.scope is Scope.ACCOUNT]
    assert (control.trading_state, control.set_by) == (TradingState.REDUCING, "olga")
    assert get(client, operator, f"{PATH}/{made['run_id']}").json() == made
    assert [each["run_id"] for each in get(client, operator).json()] == [made["run_id"]]


def test_everything_is_spelled_as_people_do(client, operator):
    asked = {"scope": "all", "stage": "cancel", "reason": "drill", "confirm": True}
    answer = send(client, asked, operator)
    assert (answer.status_code, answer.json()["scope"]) == (202, "GLOBAL")


def test_stopping_entries_needs_no_proof(client, operator):
    answer = send(client, order("REDUCE"), operator)
    assert (answer.status_code, answer.json()["state"]) == (202, "DONE")


@pytest.mark.parametrize(
    "asked",
    [
        order("FLATTEN"),
        {"scope": "GLOBAL", "stage": "CANCEL", "reason": "drill"},
        {"scope": "GLOBAL", "stage": "FLATTEN", "reason": "drill"},
    ],
)
def test_what_takes_much_away_wants_a_second_yes(store, client, operator, asked):
    answer = send(client, asked, operator)
    assert code_of(answer) == (409, "CONFIRMATION_MISSING")
    assert store["kill_runs"].count_documents({}) == 0
    assert send(client, {**asked, "confirm": True}, operator).status_code == 202


def test_a_reduce_releases_no_halt_by_accident(store, client, operator):
    signed = {"by": "bob", "reason": "news"}
    set_control(store, Scope.ACCOUNT, ACCOUNT, trading_state=TradingState.HALTED, **signed)
    answer = send(client, order("REDUCE"), operator)
    assert code_of(answer) == (409, "CONFIRMATION_MISSING")


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (order(scope_id="Mock-9"), (422, "KILL_REFUSED")),
        (order(scope_id=""), (422, "KILL_REFUSED")),
        (order(reason=" "), (422, "KILL_REFUSED")),
        (order(reason=""), (422, "INVALID_PARAMETER")),
        (order(scope="PLANET"), (422, "INVALID_PARAMETER")),
        (order(stage="PANIC"), (422, "INVALID_PARAMETER")),
        (order(stage=7), (422, "INVALID_PARAMETER")),
        (order(confirmed=True), (422, "INVALID_PARAMETER")),
        (order(scope_id="\ud800"), (422, "INVALID_PARAMETER")),
        ([], (422, "INVALID_PARAMETER")),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_changes_nothing(
    store, client, operator, asked, refused
):
    assert code_of(send(client, asked, operator)) == refused
    assert len(controls(store)) == 1


def test_only_operators_may(store, client):
    key = add_strategy(store)
    assert code_of(send(client, order())) == (401, "MISSING_KEY")
    assert code_of(send(client, order(), key)) == (401, "WRONG_KEY")
    assert code_of(get(client, key)) == (401, "WRONG_KEY")
    assert code_of(get(client, key, f"{PATH}/x")) == (401, "WRONG_KEY")
    assert store["kill_runs"].count_documents({}) == 0


def test_a_run_that_is_not_there_is_said_so(client, operator):
    assert code_of(get(client, operator, f"{PATH}/kill_x")) == (404, "UNKNOWN_KILL")


def test_a_run_whose_time_is_up_reads_incomplete_though_nobody_worked_on_it(
    store, client, operator
):
    made = send(client, order(), operator).json()
    store["kill_runs"].update_one(
        {"_id": made["run_id"]},
        {"$set": {"due_at": kill_run(store, made["run_id"]).requested_at}},
    )
    found = get(client, operator, f"{PATH}/{made['run_id']}").json()
    assert found["state"] == "INCOMPLETE"
    assert "no desk has worked on it" in found["accounts"][0]["remaining"][0]["why"]
