"""orders.py as an operator types it: requests on rows, refused by name where they come too late."""

import json
from decimal import Decimal

import pytest

from scripts import orders
from services.domain.orders import child_order_id_for
from services.domain.words import OrderRole, OrderStatus, OrderType
from tests.support.builders import ACCOUNT, STRATEGY
from tests.support.documents import make_fill_document, make_order_document
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "typing error")


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here):
    allow_trading(store)
    add_account(store)


def add(store, status="SUBMITTED", order_type=OrderType.LIMIT, **fields):
    """17 AAPL with a limit of 150; its id."""
    made = make_order_document(status=OrderStatus(status), **fields)
    prices = {"limit_price": Decimal(150), "stop_price": Decimal(140)}
    if order_type in {OrderType.MARKET, OrderType.STOP}:
        prices.pop("limit_price")
    if order_type in {OrderType.MARKET, OrderType.LIMIT}:
        prices.pop("stop_price")
    made["order"] |= {"order_type": order_type, **prices}
    store["orders"].insert_one(made)
    return made["_id"]


def row(store, order_id):
    return store["orders"].find_one({"_id": order_id})


def audited(store):
    return [(entry["what"], entry["by"]) for entry in store["audit_log"].find()]


@pytest.mark.parametrize("status", ["PENDING", "SUBMITTED", "PARTIALLY_FILLED", "UNKNOWN"])
def test_a_cancel_is_asked_for_in_every_working_state_once(store, status, capsys):
    order_id = add(store, status)
    assert orders.main(["cancel", order_id, *SIGNED]) == 0
    found = row(store, order_id)
    assert found["cancel_requested_at"] is not None
    assert found["cancel_reason"] == "canceled by olga: typing error"
    assert audited(store) == [("ORDER_CANCEL_REQUESTED", "olga")]
    assert orders.main(["cancel", order_id, *SIGNED]) == 1
    assert "is being canceled since" in capsys.readouterr().err
    assert row(store, order_id) == found


@pytest.mark.parametrize(
    "command", [["cancel"], ["modify", "--limit", "1"], ["resolve", "--absent", "--yes"]]
)
def test_an_order_that_has_ended_takes_no_request(store, command, capsys):
    order_id = add(store, "REJECTED", text="no margin")
    assert orders.main([command[0], order_id, *command[1:], *SIGNED]) == 1
    assert "has ended: it is REJECTED: no margin" in capsys.readouterr().err
    assert orders.main([command[0], "MTX", *command[1:], *SIGNED]) == 1
    assert "there is no order 'MTX'" in capsys.readouterr().err
    assert audited(store) == []


def test_a_change_is_written_with_all_terms(store):
    order_id = add(store, "PARTIALLY_FILLED", filled=5, price="150")
    assert orders.main(["modify", order_id, "--quantity", "10", *SIGNED]) == 0
    asked = row(store, order_id)["modify_requested"]
    assert asked["terms"] == {
        "quantity": Decimal(10),
        "limit_price": Decimal(150),
        "stop_price": None,
    }
    assert (asked["by"], asked["reason"]) == ("olga", "typing error")
    assert row(store, order_id)["order"]["quantity"] == 17
    assert audited(store) == [("ORDER_MODIFY_REQUESTED", "olga")]


@pytest.mark.parametrize(
    ("order_type", "typed", "sentence"),
    [
        ("LIMIT", [], "nothing to change: name a quantity"),
        ("LIMIT", ["--limit", "150.0"], "the order has these terms"),
        ("LIMIT", ["--quantity", "18"], "quantity may only get smaller than 17, was 18"),
        ("LIMIT", ["--quantity", "5"], "must be above the 5 that have filled, was 5"),
        ("LIMIT", ["--quantity", "6.5"], "must be in lots of 1, was 6.5"),
        ("LIMIT", ["--quantity", "many"], "quantity must be a number, was 'many'"),
        ("LIMIT", ["--limit", "NaN"], "limit_price"),
        ("LIMIT", ["--limit=-1"], "limit_price"),
        ("LIMIT", ["--stop", "140"], "a LIMIT order has no stop price"),
        ("STOP", ["--limit", "140"], "a STOP order has no limit price"),
        ("MARKET", ["--limit", "140"], "a MARKET order has no limit price"),
    ],
)
def test_terms_that_do_not_fit_are_refused(store, order_type, typed, sentence, capsys):
    order_id = add(store, "PARTIALLY_FILLED", OrderType(order_type), filled=5, price="150")
    assert orders.main(["modify", order_id, *typed, *SIGNED]) == 1
    assert sentence in capsys.readouterr().err
    assert "modify_requested" not in row(store, order_id)


@pytest.mark.parametrize(
    ("status", "fields", "sentence"),
    [
        ("PENDING", {}, "is PENDING: only what works at the broker"),
        ("UNKNOWN", {}, "is UNKNOWN: only what works at the broker"),
        ("CANCEL_PENDING", {}, "is CANCEL_PENDING: only what works"),
        ("SUBMITTED", {"cancel_requested_at": 1}, "is being canceled"),
    ],
)
def test_only_what_works_at_the_broker_is_changed(store, status, fields, sentence, capsys):
    order_id = add(store, status, **fields)
    assert orders.main(["modify", order_id, "--limit", "151", *SIGNED]) == 1
    assert sentence in capsys.readouterr().err


def test_one_change_at_a_time(store, capsys):
    order_id = add(store)
    assert orders.main(["modify", order_id, "--limit", "151", *SIGNED]) == 0
    assert orders.main(["modify", order_id, "--limit", "152", *SIGNED]) == 1
    assert "is being changed since" in capsys.readouterr().err
    assert row(store, order_id)["modify_requested"]["terms"]["limit_price"] == 151


@pytest.mark.parametrize("decision", ["resend", "absent"])
def test_a_person_decides_once_on_an_order_without_outcome(store, decision, capsys):
    order_id = add(store, "UNKNOWN")
    assert orders.main(["resolve", order_id, f"--{decision}", "--yes", *SIGNED]) == 0
    found = row(store, order_id)
    assert found["resolution"]["decision"] == decision.upper()
    assert found["status"] == "UNKNOWN"  # execution acts on it
    assert audited(store) == [("ORDER_RESOLVED", "olga")]
    assert orders.main(["resolve", order_id, "--resend", "--yes", *SIGNED]) == 1
    assert f"was resolved by olga already: {decision.upper()}" in capsys.readouterr().err


def test_nothing_is_decided_without_a_yes(store):
    order_id = add(store, "UNKNOWN")
    assert orders.main(["resolve", order_id, "--resend", *SIGNED]) == 1
    assert "resolution" not in row(store, order_id)


def test_an_order_that_has_answered_is_not_decided_by_a_person(store, capsys):
    order_id = add(store, "SUBMITTED")
    assert orders.main(["resolve", order_id, "--resend", "--yes", *SIGNED]) == 1
    assert "is SUBMITTED, not UNKNOWN" in capsys.readouterr().err


def test_what_is_to_be_canceled_is_not_sent_again(store, capsys):
    order_id = add(store, "UNKNOWN", cancel_requested_at=1)
    assert orders.main(["resolve", order_id, "--resend", "--yes", *SIGNED]) == 1
    assert "it is not sent again" in capsys.readouterr().err
    assert orders.main(["resolve", order_id, "--absent", "--yes", *SIGNED]) == 0


def test_every_request_is_signed(store, capsys):
    order_id = add(store)
    assert orders.main(["cancel", order_id, "--by", " ", "--reason", "x"]) == 1
    assert orders.main(["cancel", order_id, "--by", "olga", "--reason", " "]) == 1
    assert "cancel_requested_at" not in row(store, order_id)


def test_lists_are_filtered(store, capsys):
    working = add(store)
    lost = add(store, "UNKNOWN", leg_index=1)
    ended = add(store, "CANCELED", leg_index=2, account_id="Mock-2")

    def listed(*typed):
        assert orders.main(["list", *typed]) == 0
        return {each.split()[0] for each in capsys.readouterr().out.splitlines()}

    assert listed() == {working, lost, ended}
    assert listed("--working") == {working, lost}
    assert listed("--unknown") == {lost}
    assert listed("--account", "Mock-2") == {ended}
    assert listed("--strategy", "none") == set()
    assert listed("--strategy", STRATEGY, "--account", ACCOUNT) == {working, lost}
    assert orders.main(["list", "--unknown", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["_id"], found["order"]["quantity"]) == (lost, "17")


def test_show_tells_the_road_the_fills_and_the_children(store, capsys):
    order_id = add(store, "PARTIALLY_FILLED", filled=5, price="150.02")
    store["execution_confirmations"].insert_one(make_fill_document())
    child = child_order_id_for(order_id, OrderRole.STOP_LOSS, 0)
    guard = make_order_document(leg_index=3)
    guard |= {"_id": child, "order": guard["order"] | {"parent_order_id": order_id}}
    guard["order"] |= {"client_order_id": child, "role": OrderRole.STOP_LOSS}
    store["orders"].insert_one(guard)
    orders.main(["modify", order_id, "--limit", "151", *SIGNED])
    capsys.readouterr()
    assert orders.main(["show", order_id]) == 0
    told = capsys.readouterr().out
    assert "LEG ENTRY BUY 17 AAPL LIMIT DAY  limit 150  filled 5 at 150.02" in told
    assert "modify requested: terms quantity 17, limit_price 151" in told
    assert "fill E1: BUY 17 at 150.02, commission 1" in told
    assert f"child {child}" in told
    assert "PENDING" in told
    assert orders.main(["show", order_id, "--json"]) == 0
    assert [each["_id"] for each in json.loads(capsys.readouterr().out)["children"]] == [child]
