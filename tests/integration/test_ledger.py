"""The ledger on the real store: in whatever order fills are told, one and the same book."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.clock import utc_now
from services.common.orders import order_document
from services.common.store import from_document
from services.domain.books import Fill, Position, cash_flow, rank, rebuilt
from services.domain.lots import total
from services.domain.words import Intent, Side
from services.execution.ledger import Ledger
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_execution,
    make_instrument,
    make_order,
)

pytestmark = pytest.mark.servers
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def ledger(store):
    return Ledger(store)


def add_order(store, name="sig_1", side=BUY, quantity="100", **fields):
    intent = Intent.ENTRY if side is BUY else Intent.EXIT
    order = make_order(quantity, side=side, intent=intent, signal_id=name, **fields)
    store["orders"].insert_one(order_document(order, at=utc_now()))
    return order


def fill(order, quantity, price, at=0, name="X1", **fields):
    moment = NOW + timedelta(seconds=at)
    return make_execution(
        str(quantity),
        str(price),
        order=order,
        side=order.side,
        execution_id=name,
        occurred_at=moment,
        **fields,
    )


def tell(store, ledger, *executions):
    """As `ExecutionStore` does it: what is fresh of a report is booked in one transaction."""
    for execution in executions:
        stored = store["orders"].find_one({"_id": execution.client_order_id})
        fresh = ledger.unbooked(stored | {"avg_fill_price": Decimal(0)}, [execution]).fresh
        store.transaction(lambda session: ledger.book([(stored, each) for each in fresh], session))  # noqa: B023


def position(store):
    (row,) = store["positions"].find()
    return from_document(Position, row)


def gains(store):
    return {
        row["_id"].split("|", 1)[1]: row["realized_pnl"]
        for row in store["execution_confirmations"].find()
    }


def test_a_late_fill_takes_its_place_and_profits_are_counted_anew(store, ledger):
    entry, leaving = add_order(store), add_order(store, "sig_2", SELL)
    tell(store, ledger, fill(entry, 10, 100, at=0), fill(leaving, 10, 110, at=20, name="X3"))
    assert gains(store)["X3"] == 100  # (110 − 100) × 10
    tell(store, ledger, fill(entry, 10, 104, at=10, name="X2"))
    # Held 20 at 102 when 10 were sold at 110: (110 − 102) × 10.
    assert gains(store) == {"X1": 0, "X2": 0, "X3": 80}
    after = position(store)
    assert (after.quantity, after.average_price, after.realized_pnl) == (10, 102, 80)


def test_a_correction_replaces_the_fill_and_what_was_told_stays(store, ledger):
    entry, leaving = add_order(store), add_order(store, "sig_2", SELL)
    tell(store, ledger, fill(entry, 10, 100), fill(leaving, 10, 110, at=9, name="X2"))
    tell(store, ledger, fill(entry, 10, 101, revision=1))
    after = position(store)
    assert (after.quantity, after.realized_pnl) == (0, 90)
    assert gains(store) == {"X1": 0, "X1|r1": 0, "X2": 90}
    first = store["execution_confirmations"].find_one({"_id": f"{ACCOUNT}|X1"})
    assert (first["price"], first["void"]) == (100, True)


def test_a_fill_that_was_taken_back_counts_for_nothing(store, ledger):
    entry = add_order(store)
    tell(store, ledger, fill(entry, 10, 100, commission=Decimal(1)))
    tell(store, ledger, fill(entry, 10, 100, revision=1, busted=True, commission=Decimal(1)))
    after = position(store)
    assert (after.quantity, after.average_price, after.commissions) == (0, 0, 0)
    (flow,) = store["cash_flows"].find()
    assert (flow["fills"], flow["commissions"]) == (0, 0)


def test_an_older_telling_after_a_newer_one_changes_nothing(store, ledger):
    entry = add_order(store)
    tell(
        store,
        ledger,
        fill(entry, 7, 100, revision=2),
        fill(entry, 10, 100),
        fill(entry, 9, 100, revision=1),
    )
    assert position(store).quantity == 7
    assert store["execution_confirmations"].count_documents({}) == 1


def test_a_fill_told_again_with_other_numbers_is_an_incident_not_a_booking(store, ledger):
    entry = add_order(store)
    tell(store, ledger, fill(entry, 10, 100), fill(entry, 11, 100))
    assert position(store).quantity == 10
    incident = store["incidents"].find_one({"kind": "FILL_CONTRADICTED"})
    assert "BUY 10 at 100" in incident["sentence"]
    assert "BUY 11 at 100" in incident["sentence"]


def test_only_what_came_after_the_position_was_last_flat_is_read_again(store, ledger):
    entry, leaving = add_order(store), add_order(store, "sig_2", SELL)
    tell(
        store,
        ledger,
        fill(entry, 10, 100, at=0, name="X1"),
        fill(leaving, 10, 107, at=1, name="X2"),
        fill(entry, 5, 100, at=2, name="X3"),
        fill(leaving, 5, 101, at=4, name="X5"),
    )
    # Were the first round read again, a stranger's price in it would be noticed.
    store["execution_confirmations"].update_one(
        {"_id": f"{ACCOUNT}|X1"}, {"$set": {"price": Decimal(1)}}
    )
    tell(store, ledger, fill(entry, 5, 110, at=3, name="X4"))
    # 70 of the first round; then 10 at 105, of which 5 sold at 101: −20.
    after = position(store)
    assert (after.quantity, after.average_price, after.realized_pnl) == (5, 105, 50)


def test_books_from_before_fills_were_kept_open_at_their_average(store, ledger):
    entry = add_order(store)
    tell(store, ledger, fill(entry, 10, 100, at=5, name="X2"))
    store["positions"].update_one(
        {}, {"$set": {"quantity": Decimal(30), "average_price": Decimal(120)}}
    )
    tell(store, ledger, fill(entry, 10, 90, at=0))
    # 20 that nothing explains at 120, then 10 at 90 and 10 at 100: 4,300 / 40
    after = position(store)
    assert (after.quantity, after.average_price) == (40, Decimal("107.5"))


def test_a_commission_in_another_currency_is_kept_apart(store, ledger):
    order = add_order(store)
    euro = make_instrument("SAP", currency="EUR", exchange="XETRA")
    told = fill(order, 10, 200, commission=Decimal("1.25")).model_copy(update={"instrument": euro})
    tell(store, ledger, told)
    after = position(store)
    assert (after.commissions, after.other_commissions) == (0, {"USD": Decimal("1.25")})
    flows = {
        row["currency"]: (row["fills"], row["commissions"]) for row in store["cash_flows"].find()
    }
    assert flows == {"EUR": (-2000, 0), "USD": (0, Decimal("1.25"))}


@st.composite
def deliveries(draw):
    """What a broker tells, in any order and more than once: fills, corrections, busts."""
    told = []
    for number in range(draw(st.integers(1, 5))):
        side = draw(st.sampled_from([BUY, SELL]))
        for revision in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, 4))
            quantity, price = draw(st.integers(1, 9)), draw(st.integers(90, 110))
            busted = revision > 0 and draw(st.booleans())
            told.append((f"X{number}", side, quantity, price, at, revision, busted))
    again = draw(st.lists(st.sampled_from(told), max_size=3))
    return draw(st.permutations(told + again))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=deliveries())
def test_any_order_of_tellings_ends_in_the_books_of_the_final_truth(store, ledger, told):
    for name in ("orders", "positions", "execution_confirmations", "cash_flows", "incidents"):
        store[name].delete_many({})
    orders = {
        BUY: add_order(store, sender_quantity=50),
        SELL: add_order(store, "sig_2", SELL),
    }
    executions = [
        fill(
            orders[side],
            quantity,
            price,
            at,
            name,
            revision=revision,
            busted=busted,
            commission=Decimal("0.35"),
        )
        for name, side, quantity, price, at, revision, busted in told
    ]
    tell(store, ledger, *executions)
    newest = {}
    for each in sorted(executions, key=rank):
        newest[each.execution_id] = each
    truth = [Fill(each, orders[each.side]) for each in newest.values() if not each.busted]
    flat = Position(strategy_id=STRATEGY, account_id=ACCOUNT, instrument=make_instrument())
    wanted, steps = rebuilt(flat, truth)
    found = position(store)
    assert found == wanted
    assert total(found.all_lots) == total(found.lots) == abs(found.quantity)
    assert found.quantity == sum(
        fill.execution.quantity * fill.execution.side.sign for fill in truth
    )
    counted = store["execution_confirmations"].find({"void": {"$ne": True}})
    assert {row["execution_id"]: row["realized_pnl"] for row in counted} == {
        step.execution_id: step.gain for step in steps
    }
    sums = defaultdict(Decimal)
    for row in store["cash_flows"].find():
        sums["fills"] += row["fills"]
        sums["commissions"] += row["commissions"]
    assert sums["fills"] == sum(cash_flow(fill.execution) for fill in truth)
    assert sums["commissions"] == found.commissions == len(truth) * Decimal("0.35")
    # Whatever the last price is: what was made is what was paid and what is held.
    value = found.realized_pnl + found.unrealized_pnl(Decimal(97))
    assert abs(value - (sums["fills"] + found.quantity * 97)) < Decimal("1e-15")
