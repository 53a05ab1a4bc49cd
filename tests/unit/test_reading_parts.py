"""The pure parts of what the UI reads: exports, secrets, latency, readiness, who hears what."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dashboard_creator.csv_export import cell, lines
from services.dashboard_creator.frame import oldest, state_in_words, today_pnl
from services.dashboard_creator.holdings import grouped, line_of, position_row, told_of
from services.dashboard_creator.latency import BOUNDS, added, counted, percentile
from services.dashboard_creator.market_days import closed_today, expiring, token_ended
from services.dashboard_creator.models import View
from services.dashboard_creator.readiness import Calendar, account_readiness, clock_check
from services.dashboard_creator.scrub import scrubbed, scrubbed_body
from services.dashboard_creator.stream_events import Audience, StreamEvent, Told, latest
from services.domain.risk import Control, Fund, RiskLock
from services.domain.users import PERMISSIONS, Role
from services.domain.words import LockRule, Scope, TradingState
from tests.support.builders import NOW, make_instrument, make_marks
from tests.support.documents import after, make_position_document


class Row(View):
    name: str
    amount: Decimal | None


class Page(View):
    rows: tuple[Row, ...]
    next: str | None


def test_an_export_asks_page_after_page():
    pages = {
        None: Page(rows=(Row(name="a", amount=Decimal("-5.5")),), next="2"),
        "2": Page(rows=(Row(name='=cmd|"x"', amount=None),), next=None),
    }
    text = "".join(lines(Row, pages.__getitem__))
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "amount"],
        ["a", "-5.5"],
        ['\'=cmd|"x"', ""],
    ]


@given(st.text())
def test_no_cell_is_a_formula(text):
    written = cell(text)
    is_number = written.lstrip("+-").replace(".", "", 1).replace("e", "", 1).isascii()
    assert not written.startswith(("=", "@", "\t", "\r", "\n"))
    assert not written.startswith(("+", "-")) or is_number


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key mtk_abcdefghijklmnop was refused", "mtk_abcdefghijklmnop"),
        ("Authorization: Bearer abc.def-ghi_jkl", "abc.def-ghi_jkl"),
        ("mongodb://user:hunter2@host/db", "hunter2"),
        ('{"password": "hunter2!"}', "hunter2!"),
        ("api_key=s3cr3tvalue&x=1", "s3cr3tvalue"),
        ("bot 123456789:AAabcdefghijklmnopqrstuvwxyz012345 says", "AAabcdefghijklmnopqrst"),
    ],
)
def test_secrets_leave_every_text(text, secret):
    assert secret not in scrubbed(text)
    assert "[removed]" in scrubbed(text)


def test_a_body_stays_readable_without_its_secret():
    body = '{"ticker": "AAPL", "passphrase": "hunter2", "note": "mtw_abcdefghijkl"}'
    clean = scrubbed_body(body)
    assert '"ticker": "AAPL"' in clean
    assert "hunter2" not in clean
    assert "mtw_abcdefghijkl" not in clean
    assert scrubbed_body("passphrase: hunter2") == "passphrase: [removed]"


def life(decided, filled=None):
    stages = {"standardized_at": after(2), "decided_at": after(decided)}
    more = {} if filled is None else {"submitted_at": after(9), "first_fill_at": after(filled)}
    return {"received_at": NOW, "stages": {**stages, **more}}


def test_latency_is_counted_once_and_added_up():
    number, one = counted([life(5), life(5, 14)])
    assert number == 2
    both = added([one, one])
    assert sum(both["decided"]) == 4
    assert sum(both["arrival_to_fill"]) == 2
    # 14 ms lies in the bucket from 12 to 15; half of its two is its middle.
    assert percentile(both["arrival_to_fill"], 0.5) == 13.5
    assert percentile([0] * (len(BOUNDS) + 1), 0.5) is None


@given(st.lists(st.integers(1, 3_000_000), min_size=1))
def test_a_percentile_lies_in_the_bucket_of_the_exact_one(values):
    _, counts = counted(
        {"received_at": NOW, "stages": {"submitted_at": after(value)}} for value in values
    )
    exact = sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]
    low = max((bound for bound in BOUNDS if bound < exact), default=0)
    high = min((bound for bound in BOUNDS if bound >= exact), default=BOUNDS[-1])
    found = percentile(counts["arrival_to_submitted"], 0.95)
    assert found is not None
    assert low - 0.05 <= found <= high + 0.05


USUAL = {"broker", "data", "books", "locks", "margin"}


def ready(account, look=None, locks=()):
    row = {"_id": "Mock-1", "equity": 100, "initial_margin": 10, **account}
    return account_readiness(row, look, locks, now=NOW, max_age_seconds=60)


def test_an_account_is_as_ready_as_its_worst_check():
    fresh, looked = {"as_of": NOW}, {"looked_at": NOW, "differences": []}
    assert ready(fresh, looked).state == "GREEN"
    assert ready(fresh).state == "AMBER"
    assert ready({"as_of": NOW - timedelta(seconds=61)}, looked).state == "RED"
    error = {"sentence": "not logged in", "since": NOW}
    found = ready({"as_of": NOW, "poll_error": error}, looked).checks[0]
    assert "not logged in" in found.sentence
    assert found.fix
    known = {"scope": Scope.INSTRUMENT, "scope_id": "STOCK:AAPL:USD", "locked_at": NOW}
    lock = RiskLock(
        **known, account_id="Mock-1", rule=LockRule.POSITION_MISMATCH, sentence="they differ"
    )
    assert ready(fresh, looked, [lock]).state == "AMBER"
    other = lock.model_copy(update={"account_id": "Mock-2"})
    assert ready(fresh, looked, [other]).state == "GREEN"
    differs = {"instrument": {"symbol": "AAPL"}, "confirmed": True}
    assert ready(fresh, {"looked_at": NOW, "differences": [differs]}).state == "RED"


def test_a_clock_that_is_off_is_seen():
    states = [clock_check(timedelta(milliseconds=each)).state for each in (-20, 900, -7000)]
    assert states == ["GREEN", "AMBER", "RED"]


def told(kind, strategy_id=None, user=None, number=1):
    event = StreamEvent(kind=kind, id=str(number), strategy_id=strategy_id, at=NOW)
    return Told("token", event, user)


def test_who_hears_what():
    def hears(role, what, strategies=None):
        own = frozenset(strategies) if strategies is not None else None
        return Audience("me", PERMISSIONS[role], own).hears(what)

    assert hears(Role.OPERATOR, told("control"))
    assert hears(Role.DEVELOPER, told("fill", "A"), ["A"])
    assert not hears(Role.DEVELOPER, told("fill", "B"), ["A"])
    assert not hears(Role.DEVELOPER, told("incident"), ["A"])
    assert not hears(Role.DEVELOPER, told("account", "A"), ["A"])
    assert not hears(Role.INVESTOR, told("signal", "A"), [])
    assert hears(Role.INVESTOR, told("notification", user="me"), [])
    assert not hears(Role.ADMIN, told("notification", user="you"))


def test_of_several_changes_the_last_is_told_in_its_place():
    first, other, last = told("order"), told("order", number=2), told("order", "A")
    assert latest([first, other, last]) == [other, last]


def test_positions_add_up_by_account_and_say_what_differs():
    instrument = make_instrument()
    rows = [
        make_position_document("10", strategy_id="A", realized_pnl=Decimal(5)),
        make_position_document("30", strategy_id="B", realized_pnl=Decimal(-1)),
    ]
    held = {"instrument": instrument.model_dump(), "market_price": Decimal("151.02")}
    difference = {
        "instrument": instrument.model_dump(),
        "books": Decimal(40),
        "broker": Decimal(90),
    }
    looks = [{"_id": "Mock-1", "looked_at": NOW, "differences": [difference]}]
    told = told_of(
        [{"_id": "Mock-1", "as_of": NOW - timedelta(seconds=5), "positions": [held]}],
        looks,
        [("Mock-1", instrument.key)],
    )
    lines_ = [position_row(row, told, now=NOW) for row in rows]
    assert [line.unrealized_pnl for line in lines_] == [Decimal("10.00"), Decimal("30.00")]
    assert grouped(reversed(rows), "strategy") == [[rows[0]], [rows[1]]]
    assert grouped(rows, "account") == grouped(rows, "instrument") == [rows]
    total = line_of(lines_, "account")
    assert (total.quantity, total.realized_pnl, total.unrealized_pnl) == (40, 4, 40)
    assert (total.strategy_id, total.strategies, total.average_price) == (
        None,
        ("A", "B"),
        Decimal("150.02"),
    )
    assert (total.mark_age_s, total.reconciled.state) == (5, "LOCKED")
    assert total.reconciled.sentence.startswith("ours 40, broker 90")
    # Without a mark nobody knows, which is not zero.
    unmarked = position_row(rows[0], told_of([], [], []), now=NOW)
    assert (unmarked.unrealized_pnl, unmarked.reconciled.state) == (None, "UNKNOWN")


def test_the_top_bar_says_who_stopped_trading_and_what_else():
    halted = Control(
        scope=Scope.GLOBAL, trading_state=TradingState.HALTED, set_by="olga", reason="fire"
    )
    other = Control(scope=Scope.ACCOUNT, scope_id="M", trading_state=TradingState.REDUCING)
    words = state_in_words(TradingState.HALTED, [halted, other], 2)
    assert "set by olga: fire" in words
    assert "1 narrower control" in words
    assert "2 limits" in words


def test_todays_gain_is_of_today_only():
    marks = make_marks("100", last="103")
    fund = Fund(currency="USD", equity=Decimal(103), marks=marks)
    assert today_pnl(fund, NOW) == 3
    assert today_pnl(fund, NOW + timedelta(days=1)) is None
    assert today_pnl(fund.model_copy(update={"equity": None}), NOW) is None


def test_an_account_that_never_reported_is_the_oldest():
    rows = [{"_id": "A", "as_of": NOW}, {"_id": "B", "as_of": after(-5)}]
    assert oldest(rows) == ("B", after(-5))
    assert oldest([*rows, {"_id": "C"}]) == ("C", None)
    assert oldest([]) == (None, None)


@pytest.mark.parametrize(
    ("margin", "equity", "state"),
    [
        (79, 100, "GREEN"),
        (80, 100, "AMBER"),
        (100, 100, "RED"),
        (1, 0, "RED"),
        (None, 100, "AMBER"),
    ],
)
def test_margin_that_leaves_no_room_is_told(margin, equity, state):
    found = ready({"as_of": NOW, "equity": equity, "initial_margin": margin})
    (check,) = (each for each in found.checks if each.name == "margin")
    assert check.state == state
    assert bool(check.fix) is (state != "GREEN")


def test_what_the_calendar_says_is_told_with_what_to_do():
    def state_of(**said):
        row = {"_id": "ZE-1", "as_of": NOW, "equity": 100, "initial_margin": 1}
        found = account_readiness(
            row, None, (), now=NOW, max_age_seconds=60, calendar=Calendar(**said)
        )
        return {each.name: each.state for each in found.checks if each.name not in USUAL}

    assert state_of() == {}
    assert state_of(token_ended=True) == {"token": "RED"}
    assert state_of(token_ended=False) == {"token": "GREEN"}
    assert state_of(closed="the NSE is closed") == {"market": "AMBER"}
    assert state_of(expiring=[("ES", 3)]) == {"contracts": "AMBER"}
    assert state_of(expiring=[("ES", -1)]) == {"contracts": "RED"}


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("broker", "at", "word"),
    [
        ("IBKR", "2026-11-26T15:00", "Thanksgiving"),
        ("IBKR", "2026-11-27T02:00", "Thanksgiving"),  # it is still Thursday in New York
        ("IBKR", "2026-11-25T15:00", None),
        ("IBKR", "2026-11-22T15:00", "Sunday"),
        ("ZERODHA", "2026-11-24T05:00", "Guru Nanak"),
        ("ZERODHA", "2026-11-26T05:00", None),
        ("MOCK", "2026-11-26T15:00", None),
    ],
)
def test_a_closed_exchange_is_known(broker, at, word):
    said = closed_today(broker, utc(at))
    assert (word in said) if word else (said is None)


@pytest.mark.parametrize(
    ("stored", "now", "ended"),
    [  # six in the morning in India is half past midnight UTC
        ("2026-11-23T03:00", "2026-11-23T10:00", False),
        ("2026-11-23T03:00", "2026-11-24T00:29", False),
        ("2026-11-23T03:00", "2026-11-24T00:30", True),
        ("2026-11-23T00:10", "2026-11-23T00:40", True),  # stored at 05:40 there, ends at 06:00
    ],
)
def test_a_token_of_kite_ends_at_six_in_india(stored, now, ended):
    assert token_ended(utc(stored), utc(now)) is ended


def test_contracts_that_end_soon_are_told_once_the_soonest_first():
    rows = [
        {"instrument": {"symbol": name, "expiry": expiry}}
        for name, expiry in (
            ("ES", "2026-11-25"),
            ("ES", "2026-11-25"),
            ("NQ", "2026-11-21"),
            ("CL", "2026-12-20"),
            ("AAPL", None),
        )
    ]
    assert expiring(rows, date(2026, 11, 22)) == [("NQ", -1), ("ES", 3)]
