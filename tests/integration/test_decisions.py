"""A stored decision is replayed bit for bit, whatever kind it is."""

from datetime import timedelta
from decimal import Decimal

import pytest

from scripts.decisions import again, waterfall
from services.common.limits import set_limits
from services.common.store import from_document, to_document
from services.domain.orders import Algo, Order
from services.domain.words import AlgoName, GroupPolicy, Scope
from tests.support.builders import make_position
from tests.support.cerebro import make_cerebro
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
    exit_fields,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def decided(store):
    """An approved, a resized and a denied entry, an exit and a cancel."""
    add_strategy(store)
    add_account(store, fx_rates={"EUR": Decimal("1.1")})
    allow_trading(store)
    set_limits(
        store,
        Scope.INSTRUMENT,
        "MSFT",
        {"max_position_ratio": Decimal("0.0007")},
        by="t",
        reason="t",
    )
    held = make_position("18", "150", symbol="NVDA")
    store["positions"].insert_one({"_id": "p", "open": True, **to_document(held)})
    cerebro = make_cerebro(store, exit=0, gap=0, price=0, reversal=0)
    add_signal(store, "approved", leg={"currency": "EUR"})
    add_signal(store, "resized", leg={"instrument": "MSFT"})
    add_signal(store, "denied", account_equity=None)
    out = exit_fields()
    add_signal(store, "exit", **{**out, "leg": {**out["leg"], "instrument": "NVDA"}})
    add_signal(store, "cancel", signal_type="CANCEL", leg={"currency": "EUR"})
    for name in ("approved", "resized", "denied", "exit", "cancel"):
        cerebro.on_signals([{"signal_id": name}])
    return store


def rows(store):
    return list(store["signal_store"].find().sort("received_at"))


def test_every_kind_of_decision_is_replayed_bit_for_bit(decided):
    outcomes = [row["decision"]["outcome"] for row in rows(decided)]
    assert outcomes == ["APPROVED", "RESIZED", "DENIED", "APPROVED", "APPROVED"]
    assert dict(again(decided, rows(decided))) == {row["_id"]: [] for row in rows(decided)}


def test_how_an_order_is_to_be_worked_survives_the_store(decided):
    cerebro = make_cerebro(decided, exit=0, gap=0, price=0, reversal=0)
    vwap = {"name": "VWAP", "duration_s": "60.50", "profile": [3, "2.50", 0]}
    add_signal(decided, "worked", group_policy="UNWIND", leg={"algo": vwap, "cancel_after_s": 90})
    trail = {"order_type": "TRAIL", "trail_percent": "2.50"}
    add_signal(decided, "trailed", leg={"instrument": "TSLA", **trail})
    for name in ("worked", "trailed"):
        cerebro.on_signals([{"signal_id": name}])
    orders = {
        row["signal_id"]: from_document(Order, row["order"]) for row in decided["orders"].find()
    }
    assert orders["worked"].algo == Algo(
        name=AlgoName.VWAP,
        duration_seconds=Decimal("60.50"),
        profile=(Decimal(3), Decimal("2.50"), Decimal(0)),
    )
    decided_at = decided["signal_store"].find_one({"_id": "worked"})["decision"]["decided_at"]
    assert orders["worked"].cancel_at == decided_at + timedelta(seconds=90)
    assert orders["worked"].group_policy is GroupPolicy.UNWIND
    assert orders["trailed"].trail_ratio == Decimal("0.0250")
    assert dict(again(decided, rows(decided))) == {row["_id"]: [] for row in rows(decided)}


def test_what_execution_made_of_an_order_is_not_taken_for_decided(decided):
    parent = decided["orders"].find_one({"signal_id": "approved"})
    child = parent["order"] | {"parent_order_id": parent["_id"], "client_order_id": "MTCHILD"}
    decided["orders"].insert_one(
        parent | {"_id": "MTCHILD", "client_order_id": "MTCHILD", "order": child}
    )
    assert dict(again(decided, rows(decided)))["approved"] == []


def test_what_was_cut_at_the_gate_is_compared_as_it_was_decided(decided):
    row = decided["orders"].find_one({"signal_id": "approved"})
    cut = {"order.quantity": Decimal(1), "as_decided": {"quantity": row["order"]["quantity"]}}
    decided["orders"].update_one({"_id": row["_id"]}, {"$set": cut})
    assert dict(again(decided, rows(decided)))["approved"] == []


def test_a_decision_that_was_tampered_with_is_found(decided):
    decided["orders"].update_one(
        {"signal_id": "approved"}, {"$set": {"order.quantity": Decimal("10.0")}}
    )
    decided["signal_store"].update_one(
        {"_id": "resized"}, {"$set": {"decision.steps.3.sentence": "nothing to see"}}
    )
    found = dict(again(decided, rows(decided)))
    assert [name for name, lines in found.items() if lines] == ["approved", "resized"]


def test_the_waterfall_names_every_account_step_and_rule(decided):
    row = decided["signal_store"].find_one({"_id": "resized"})
    lines = list(waterfall(row["decision"]))
    assert lines[0].startswith("RESIZED POSITION_SIZE_BOUND")
    assert f"{ACCOUNT}:" in lines
    (bound,) = [line for line in lines if "  ! " in line]
    assert "[max_position_ratio of INSTRUMENT|MSFT]" in bound
    assert STRATEGY in decided["signal_store"].find_one({"_id": "resized"})["strategy_id"]
