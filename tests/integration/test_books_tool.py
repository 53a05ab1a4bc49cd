"""books.py as an operator types it, on a real store, beside a reconciler that answers."""

import json
import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from scripts import books as tool
from services.common.clock import utc_now
from services.common.locks import locks
from services.domain.orders import UNATTRIBUTED
from services.execution.ledger import Ledger
from services.execution.posting import Posting
from services.execution.reconciler import Reconciler
from tests.fakes.booked import BookedBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_instrument
from tests.support.rows import add_account, add_strategy, allow_trading

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "from before")
APPLE = make_instrument()
LATER = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here):
    allow_trading(store)
    add_account(store)
    add_strategy(store)


@pytest.fixture
def broker():
    return BookedBroker(ACCOUNT)


@pytest.fixture
def reconciler(store, broker):
    return Reconciler(
        store,
        Ledger(store),
        broker,
        ACCOUNT,
        book=lambda reports: Posting(store).book(reports, epoch=1),
        transact=store.transaction,
        every_seconds=60,
        settle_seconds=0,
    )


def look_twice(reconciler):
    """So that what differs is confirmed, and what agrees is cleared."""
    reconciler.run(utc_now())
    return reconciler.run(utc_now() + LATER)


def quantities(store):
    return {row["strategy_id"]: row["quantity"] for row in store["positions"].find()}


def adopt(*words, to=STRATEGY, account=ACCOUNT, instrument="AAPL"):
    place = () if "--execution" in words else ("--account", account, "--instrument", instrument)
    return tool.main(["adopt", *place, *words, "--to", to, *SIGNED])


def test_show_has_each_owner_the_brokers_figure_and_what_differs(store, broker, reconciler, capsys):
    broker.trade_by_hand(APPLE, 5, price="150.5")
    broker.held[make_instrument("IBM")] = Decimal(3)
    broker.rest_by_hand(APPLE)
    look_twice(reconciler)
    assert tool.main(["show", "--account", ACCOUNT]) == 0
    shown = capsys.readouterr().out
    assert "Mock-1  broker and books differ" in shown
    assert "STOCK:AAPL:USD: broker 5, books 5" in shown
    assert f"{UNATTRIBUTED}: 5 at 150.5, realized 0.00, commissions 1.05" in shown
    assert "STOCK:IBM:USD: broker 3, books 0, DIFFERS by 3 since" in shown
    assert "entries are stopped" in shown
    assert "cash: broker 999,246.45 USD, books 999,246.45" in shown  # 5 × 150.5 + 1.05 less
    assert "works at the broker, none of ours: LIMIT BUY 3 AAPL" in shown


def test_show_for_machines_keeps_decimals(store, broker, reconciler, capsys):
    broker.trade_by_hand(APPLE, 5, price="150.5")
    look_twice(reconciler)
    assert tool.main(["show", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["holdings"][0]["broker"] == "5"
    assert shown["holdings"][0]["positions"][0]["average_price"] == "150.5"


def test_an_account_that_was_never_looked_at_says_so(store, capsys):
    assert tool.main(["show"]) == 0
    assert "was not asked yet" in capsys.readouterr().out


def test_a_trade_by_hand_goes_to_a_strategy_with_its_profit(store, broker, reconciler, capsys):
    broker.trade_by_hand(APPLE, 5, price="100", name="H1")
    broker.trade_by_hand(APPLE, -5, price="110", name="H2")
    look_twice(reconciler)
    assert adopt("--execution", "H1") == 0
    assert f"{STRATEGY} holds 5 AAPL at 100 in Mock-1" in capsys.readouterr().out
    # What was closed by H2 is not there any more: it is a short of nobody's now.
    assert quantities(store) == {UNATTRIBUTED: -5, STRATEGY: 5}
    rows = {row["execution_id"]: row for row in store["execution_confirmations"].find()}
    assert (rows["H1"]["strategy_id"], rows["H1"]["adopted"]["by"]) == (STRATEGY, "olga")
    assert rows["H2"]["realized_pnl"] == 0
    assert adopt("--execution", "H2") == 0
    (held,) = store["positions"].find({"strategy_id": STRATEGY})
    assert (held["quantity"], held["realized_pnl"]) == (0, 50)  # (110 − 100) × 5
    assert store["incidents"].count_documents({"kind": "FOREIGN_TRADE", "status": "OPEN"}) == 0
    assert store["audit_log"].count_documents({"what": "TRADE_ADOPTED", "by": "olga"}) == 2
    outcome = look_twice(reconciler)
    assert (outcome.differences, outcome.cash.gap, outcome.foreign) == ((), 0, 0)


def test_a_correction_of_an_adopted_trade_reaches_who_has_it(store, broker, reconciler):
    first = broker.trade_by_hand(APPLE, 5, price="100")
    look_twice(reconciler)
    adopt("--execution", "H1")
    broker.told.append(first.model_copy(update={"revision": 1, "quantity": Decimal(4)}))
    look_twice(reconciler)
    assert quantities(store) == {UNATTRIBUTED: 0, STRATEGY: 4}


def test_what_was_there_before_us_is_adopted_once_and_the_lock_ends(store, broker, reconciler):
    broker.held[APPLE] = Decimal(100)
    outcome = look_twice(reconciler)
    wanted = ("--quantity", "60", "--price", "140")
    assert adopt(*wanted) == 0
    assert adopt(*wanted) == 1  # 40 are left
    assert adopt("--quantity", "40", "--price", "120", to=UNATTRIBUTED) == 0
    assert quantities(store) == {STRATEGY: 60, UNATTRIBUTED: 40}
    (row,) = store["execution_confirmations"].find({"strategy_id": STRATEGY})
    assert (row["origin"], row["adopted"]["reason"]) == ("ADOPTED", "from before")
    after = look_twice(reconciler)
    assert after.differences == ()
    assert (after.cash.expected, locks(store, utc_now())) == (outcome.cash.expected, ())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--quantity", "101", "--price", "1"), "be no more, was 101"),
        (("--quantity", "-1", "--price", "1"), "must have the sign of 100"),
        (("--quantity", "0", "--price", "1"), "quantity must be a signed quantity, was 0"),
        (("--quantity", "1", "--price", "0"), "price must be a price above 0, was 0"),
        (("--quantity", "NaN", "--price", "1"), "quantity must be a signed quantity, was NaN"),
        (("--quantity", "1"), "adopt takes --execution, or all of"),
        (("--execution", "X404"), "'X404' is nowhere"),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_a_sentence(
    store, broker, reconciler, capsys, words, sentence
):
    broker.held[APPLE] = Decimal(100)
    look_twice(reconciler)
    assert adopt(*words) == 1
    assert sentence in capsys.readouterr().err
    assert quantities(store) == {}


def test_unknown_owners_instruments_and_unconfirmed_differences_are_refused(
    store, broker, reconciler, capsys
):
    broker.held[APPLE] = Decimal(100)
    wanted = ("--quantity", "1", "--price", "1")
    reconciler._settle = LATER
    reconciler.run(utc_now())
    assert adopt(*wanted) == 1
    assert "must name one confirmed difference" in capsys.readouterr().err
    reconciler.run(utc_now() + LATER)
    assert adopt(*wanted, instrument="IBM") == 1
    assert "there are: STOCK:AAPL:USD" in capsys.readouterr().err
    assert adopt(*wanted, to="nobody I know") == 1
    assert "there is no strategy named" in capsys.readouterr().err
    assert quantities(store) == {}


def test_a_deposit_is_accepted_and_cash_counts_from_there(store, broker, reconciler):
    look_twice(reconciler)
    broker.cash += 500
    look_twice(reconciler)
    assert store["incidents"].count_documents({"kind": "CASH_MISMATCH", "status": "OPEN"}) == 1
    assert tool.main(["cash", "--account", ACCOUNT, *SIGNED]) == 0
    assert look_twice(reconciler).cash.gap == 0
    assert store["incidents"].count_documents({"kind": "CASH_MISMATCH", "status": "OPEN"}) == 0


def answer(reconciler, stop):
    while not stop.wait(0.05):
        if reconciler.due():
            reconciler.run(utc_now())


@pytest.mark.parametrize("held", [0, 7], ids=["agrees", "differs"])
def test_reconcile_waits_for_the_answer_and_says_it(store, broker, reconciler, capsys, held):
    broker.trade_by_hand(APPLE, 5)
    broker.held[make_instrument("IBM")] = Decimal(held)
    stop = threading.Event()
    thread = threading.Thread(target=answer, args=(reconciler, stop))
    thread.start()
    try:
        assert tool.main(["reconcile", "--account", ACCOUNT, "--by", "olga"]) == (1 if held else 0)
    finally:
        stop.set()
        thread.join()
    verdict = "differ" if held else "agree"
    assert f"broker and books {verdict}" in capsys.readouterr().out
    assert quantities(store) == {UNATTRIBUTED: 5}


def test_without_execution_reconcile_says_where_to_look(store, capsys):
    assert tool.main(["reconcile", "--account", ACCOUNT, "--wait", "0.2"]) == 1
    assert "has no answer after 0.2 s" in capsys.readouterr().err
