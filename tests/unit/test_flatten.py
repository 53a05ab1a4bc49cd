"""What a kill run closes: never more than books and broker both hold, and never past flat."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.broker import BrokerPosition, OpenOrder
from services.domain.kills import AccountKill, KillRun, KillStage, RunState
from services.domain.orders import UNATTRIBUTED, OrderReport
from services.domain.words import (
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    Scope,
    Side,
)
from services.execution.flatten import MAX_ROUNDS, Situation, to_cancel
from services.execution.kill_views import Books, BrokerWord, OrderRow, holdings
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_instrument,
    make_order,
    make_position,
)

AAPL = make_instrument()


def make_run(stage=KillStage.FLATTEN, scope=Scope.ACCOUNT, scope_id=ACCOUNT):
    return KillRun(
        run_id="kill_1",
        scope=scope,
        scope_id=scope_id,
        stage=stage,
        by="olga",
        reason="drill",
        requested_at=NOW,
        due_at=NOW,
    )


def make_mine(**fields):
    return AccountKill(account_id=ACCOUNT, **{"looked_at": NOW, **fields})


def make_row(status=OrderStatus.SUBMITTED, filled="0", strategy_id=STRATEGY, **fields):
    order = make_order(**fields).model_copy(update={"strategy_id": strategy_id})
    return OrderRow(order=order, status=status, filled_quantity=Decimal(filled))


def closing(status, number=0, **fields):
    return make_row(
        status,
        signal_id=f"kill_1-{number}",
        side=Side.SELL,
        intent=Intent.EXIT,
        role=OrderRole.FLATTEN,
        **fields,
    )


def situation(run=None, *, positions=(), broker=0, working=(), closings=(), **fields):
    """`positions` by strategy; `broker` is what the broker holds of AAPL."""
    books = Books(
        list(working),
        list(closings),
        [make_position(str(q), strategy_id=name) for name, q in dict(positions).items()],
    )
    held = [BrokerPosition(instrument=AAPL, quantity=Decimal(broker), average_price=Decimal(1))]
    word = BrokerWord(
        NOW, fields.pop("open_orders", ()), held if broker else [], fields.pop("ours", {})
    )
    settled = {}
    if fields.pop("settled", False):
        settled = {each.instrument.key: each.figures for each in holdings(books.positions, held)}
    return Situation(
        run or make_run(),
        fields.pop("mine", make_mine()),
        books=books,
        word=word,
        settled=settled,
    )


def closes(*args, **fields):
    made = situation(*args, **fields).closes()
    return {each.strategy_id: (each.side, each.quantity) for each in made}


quantities = st.integers(-200, 200).map(Decimal)


@given(
    held=st.dictionaries(st.sampled_from(["A", "B", "C", UNATTRIBUTED]), quantities),
    broker=quantities,
    lost=st.integers(0, 100),
    settled=st.booleans(),
    scope=st.sampled_from([Scope.ACCOUNT, Scope.GLOBAL, Scope.INSTRUMENT]),
)
def test_closing_only_makes_the_accounts_position_smaller(held, broker, lost, settled, scope):
    unknown = []
    if lost:
        side = Side.SELL if broker > 0 else Side.BUY
        unknown = [
            make_row(
                OrderStatus.UNKNOWN,
                strategy_id="A",
                quantity=str(lost),
                side=side,
                intent=Intent.EXIT,
            )
        ]
    run = make_run(
        scope=scope,
        scope_id={Scope.ACCOUNT: ACCOUNT, Scope.GLOBAL: "", Scope.INSTRUMENT: "AAPL"}[scope],
    )
    made = situation(run, positions=held, broker=broker, settled=settled, working=unknown).closes()
    change = sum((each.quantity * each.side.sign for each in made), Decimal(0))
    # What has no answer may fill too.
    change += sum((row.leaves * row.order.side.sign for row in unknown), Decimal(0)) if made else 0
    after = broker + change
    assert abs(after) <= abs(broker)
    assert after * broker >= 0
    for each in made:
        if each.strategy_id != UNATTRIBUTED:
            assert each.quantity <= abs(held[each.strategy_id])
            assert each.side.sign * held[each.strategy_id] < 0


@given(
    held=st.dictionaries(st.sampled_from(["A", "B", "C"]), quantities),
    unattributed=quantities,
    broker=st.none() | quantities,
)
def test_a_strategy_closes_no_more_than_its_own_part_of_what_the_broker_holds(
    held, unattributed, broker
):
    books = {**held, UNATTRIBUTED: unattributed}
    total = sum(books.values(), Decimal(0))
    broker = total if broker is None else broker
    mine = held.get("A", Decimal(0))
    part = broker - (total - mine)
    made = closes(make_run(scope=Scope.STRATEGY, scope_id="A"), positions=books, broker=broker)
    assert set(made) <= {"A"}
    if mine * part > 0:
        expected = (Side.SELL if mine > 0 else Side.BUY, min(abs(mine), abs(part)))
        assert made == {"A": expected}
    else:
        assert made == {}


@given(held=st.dictionaries(st.sampled_from(["A", "B"]), st.integers(1, 200).map(Decimal)))
def test_where_books_and_broker_agree_all_is_closed(held):
    broker = sum(held.values(), Decimal(0))
    assert closes(positions=held, broker=broker) == {
        name: (Side.SELL, quantity) for name, quantity in held.items()
    }


def test_what_is_nobodys_is_closed_only_when_it_has_stood_for_a_while():
    assert closes(broker=40) == {}
    assert closes(broker=40, settled=True) == {UNATTRIBUTED: (Side.SELL, Decimal(40))}


def test_what_changed_since_it_stood_is_not_believed():
    before = situation(positions={"A": 100}, broker=100, settled=True)
    after = Situation(
        make_run(),
        make_mine(),
        books=Books([], [], [make_position("60", strategy_id="A")]),
        word=before._word,
        settled=before._settled,
    )
    # A fill of 40 was booked since the broker was asked: 100 − 60 is not nobody's.
    assert [(each.strategy_id, each.quantity) for each in after.closes()] == [("A", Decimal(60))]


def test_a_working_entry_is_waited_for_and_an_unknown_one_is_not():
    entry = make_row(OrderStatus.CANCEL_PENDING, order_type=OrderType.LIMIT)
    lost = make_row(OrderStatus.UNKNOWN, order_type=OrderType.LIMIT)
    assert closes(positions={STRATEGY: 100}, broker=100, working=[entry]) == {}
    assert closes(positions={STRATEGY: 100}, broker=100, working=[lost]) == {
        STRATEGY: (Side.SELL, Decimal(100))
    }


def test_another_instrument_does_not_wait():
    elsewhere = make_row(OrderStatus.CANCEL_PENDING, symbol="MSFT")
    assert closes(positions={STRATEGY: 100}, broker=100, working=[elsewhere]) != {}


def test_an_order_that_the_broker_still_shows_is_waited_for():
    report = OrderReport(
        client_order_id="MT1", status=OrderStatus.SUBMITTED, occurred_at=NOW, broker_order_id="B1"
    )
    shown = OpenOrder(report=report, instrument=AAPL, side=Side.BUY, order_type=OrderType.LIMIT)
    known = {"positions": {STRATEGY: 100}, "broker": 100, "open_orders": [shown]}
    assert closes(**known, ours={"MT1": STRATEGY}) == {}
    assert closes(**known) != {}  # a foreign one is not ours to wait for


def test_a_partly_closed_position_gets_a_second_order_only_after_a_fill():
    filled = closing(OrderStatus.FILLED, filled="17")
    canceled = closing(OrderStatus.CANCELED, filled="5")
    (second,) = situation(positions={STRATEGY: 3}, broker=3, closings=[filled]).closes()
    assert (second.number, second.quantity) == (1, Decimal(3))
    for made in ([canceled], [filled] * MAX_ROUNDS):
        looked = situation(positions={STRATEGY: 3}, broker=3, closings=made)
        assert looked.closes() == []
        assert looked.verdict().remaining


def test_a_cancel_run_closes_nothing_and_looks_at_no_position():
    looked = situation(make_run(KillStage.CANCEL), positions={STRATEGY: 100}, broker=100)
    assert looked.closes() == []
    assert (looked.verdict().remaining, looked.verdict().positions_left) == ((), 0)


def going(run, row, mine, closings=(), held="17"):
    positions = [make_position(held)] if held else []
    return to_cancel(run, mine, Books([row], list(closings), positions)) == [row]


def test_the_first_look_takes_every_order_and_later_ones_leave_new_exits():
    exit_order = make_row(side=Side.SELL, intent=Intent.EXIT)
    run = make_run(KillStage.CANCEL)
    assert going(run, exit_order, make_mine(looked_at=None))
    assert not going(run, exit_order, make_mine())
    assert going(run, exit_order, make_mine(asked=(exit_order.order_id,)))
    assert going(run, make_row(), make_mine())  # an entry, whenever it was made


def test_a_flatten_takes_over_exits_only_while_it_closes_itself():
    exit_order = make_row(side=Side.SELL, intent=Intent.EXIT)
    failed = closing(OrderStatus.REJECTED)
    assert going(make_run(), exit_order, make_mine())
    assert not going(make_run(), exit_order, make_mine(), [failed])
    incomplete = make_mine(state=RunState.INCOMPLETE)
    assert not going(make_run(), exit_order, incomplete)
    assert going(make_run(), exit_order, incomplete, held=None)  # it would turn around


def test_closing_orders_are_canceled_by_a_later_cancel_alone():
    row = closing(OrderStatus.SUBMITTED)
    assert not going(make_run(), row, make_mine(looked_at=None))
    assert going(make_run(KillStage.CANCEL), row, make_mine(looked_at=None))
    assert not going(make_run(KillStage.CANCEL), row, make_mine())


def test_orders_of_other_scopes_are_left():
    run = make_run(KillStage.CANCEL, Scope.STRATEGY, "Other")
    assert not going(run, make_row(), make_mine(looked_at=None))
