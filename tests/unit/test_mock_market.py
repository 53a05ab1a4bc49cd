"""The mock broker's market: its hours, and what is no market."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from brokers.mock.market import Market, is_open, levels_for, session_of, worse
from services.domain.risk import TradingHours
from services.domain.words import InstrumentType, Side

NEW_YORK = TradingHours(timezone="America/New_York", opens="09:30", closes="16:00")
#: Sunday to Thursday evening until the next afternoon, as futures trade.
OVERNIGHT = TradingHours(
    timezone="America/Chicago", opens="17:00", closes="16:00", days=(7, 1, 2, 3, 4)
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2026-11-20 14:29:59", False),  # a Friday; New York is five hours behind in winter
        ("2026-11-20 14:30", True),
        ("2026-11-20 20:59:59", True),
        ("2026-11-20 21:00", False),
        ("2026-11-21 15:00", False),  # Saturday
        ("2026-07-01 13:30", True),  # four hours behind in summer
    ],
)
def test_a_session_is_in_the_time_of_its_exchange(moment, found):
    assert is_open(NEW_YORK, at(moment)) is found


def test_outside_a_session_the_next_one_counts():
    # Friday evening: Monday's, 9:30 to 16:00 in New York
    session = session_of(NEW_YORK, at("2026-11-20 22:00"))
    assert session.opens_at == at("2026-11-23 14:30")
    assert session.closes_at == at("2026-11-23 21:00")


def test_a_session_over_midnight_is_of_the_day_it_opens_on():
    # Monday 03:00 UTC is Sunday 21:00 in Chicago
    assert is_open(OVERNIGHT, at("2026-11-23 03:00"))
    assert session_of(OVERNIGHT, at("2026-11-23 03:00")).closes_at == at("2026-11-23 22:00")
    assert not is_open(OVERNIGHT, at("2026-11-21 03:00"))  # Friday evening


def test_what_has_no_hours_always_trades_and_what_has_no_days_never():
    assert is_open(None, at("2026-11-21 03:00"))
    assert not is_open(NEW_YORK.model_copy(update={"days": ()}), at("2026-11-20 15:00"))


@pytest.mark.parametrize(
    "fields",
    [
        {"spread_bps": -1},
        {"depth": 0},
        {"depth": "NaN"},
        {"levels": 0},
        {"latency_ms": -1},
        {"hours": {"STOCK": {"timezone": "Mars/Olympus", "opens": "09:30", "closes": "16:00"}}},
        {"hours": {"BOND": NEW_YORK.model_dump()}},
        {"moon": 1},
    ],
)
def test_nonsense_is_no_market(fields):
    with pytest.raises(ValidationError):
        Market(**fields)


def test_types_that_are_closed_are_named():
    market = Market(hours={InstrumentType.STOCK: NEW_YORK, InstrumentType.FUTURE: OVERNIGHT})
    assert market.closed(at("2026-11-23 03:00")) == {InstrumentType.STOCK}


@given(st.decimals("0.01", "99999", places=4), st.sampled_from(list(Side)), st.integers(0, 5000))
def test_worse_is_never_better_and_never_nothing(price, side, bps):
    found = worse(price, side, Decimal(bps))
    assert found > 0
    assert (found - price) * side.sign >= 0 or price < Decimal("0.0001")


def test_a_spread_is_between_the_sides_and_the_price_in_the_middle():
    market = Market(spread_bps=20)
    (ask,), (bid,) = (levels_for(side, Decimal(150), market, Decimal(0)) for side in Side)
    # 150 × 20 / 10,000 = 0.30 between them
    assert (ask.price, bid.price) == (Decimal("150.15"), Decimal("149.85"))
