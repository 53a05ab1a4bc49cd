"""What is held is worth, and what was made today."""

from __future__ import annotations

from decimal import Decimal

from services.dashboard_creator.summary_days import Moved
from services.dashboard_creator.valuation import Marks, exposure_of, made_today, valued
from tests.support.builders import ACCOUNT, make_instrument, make_position

KEY = make_instrument().key
PLACE = (ACCOUNT, KEY)


def rate(_account, source, target):
    return {("USD", "USD"): Decimal(1), ("EUR", "USD"): Decimal("1.1")}.get((source, target))


def moved(quantity, cash, paid=0):
    return Moved(
        account_id=ACCOUNT,
        instrument_key=KEY,
        quantity=Decimal(quantity),
        cash=Decimal(cash),
        commissions={"USD": Decimal(paid)} if paid else {},
    )


def made(quantity, marks, *fills):
    position = make_position(quantity, "100")
    return made_today([position], fills, {PLACE: marks}, currency="USD", rate=rate)


def test_what_is_held_makes_what_its_price_moves():
    found = made("10", Marks(Decimal(103), Decimal(100)))
    assert (found.pnl, found.carried) == (30, True)


def test_what_was_bought_today_counts_from_its_price():
    found = made("10", Marks(Decimal(103), None), moved(10, -1010, paid=2))
    assert (found.pnl, found.carried) == (18, False)  # 1030 − 1010 − 2


def test_what_was_closed_today_counts_to_its_price():
    found = made("0", Marks(None, Decimal(100)), moved(-10, 1050, paid=1))
    assert found.pnl == 49  # 1050 − 1000 − 1


def test_a_turn_counts_both_sides():
    # Long 10 since yesterday at 100; sold 15 at 104, now short 5 at 102.
    found = made("-5", Marks(Decimal(102), Decimal(100)), moved(-15, 1560))
    assert found.pnl == 50  # 1560 − 510 − 1000 = 10 × 4 + 5 × 2


def test_without_a_price_it_is_unknown_and_says_so():
    for marks in (Marks(None, Decimal(100)), Marks(Decimal(100), None)):
        found = made("10", marks)
        assert (found.pnl, found.unknown) == (None, "no price was named for AAPL")


def test_without_a_rate_it_is_unknown():
    yen = make_position("10", "100", instrument=make_instrument("SONY", currency="JPY"))
    marks = {(ACCOUNT, yen.instrument.key): Marks(Decimal(2), Decimal(1))}
    found = made_today([yen], [], marks, currency="USD", rate=rate)
    assert (found.pnl, found.unknown) == (None, "no rate from JPY to USD is known")


def test_nothing_held_and_nothing_traded_is_0():
    assert made_today([], [], {}, currency="USD", rate=rate).pnl == 0


def test_exposure_is_gross_and_net_and_names_what_is_missing():
    euro = make_instrument("SAP", currency="EUR")
    lost = make_instrument("GONE")
    positions = [
        make_position("10", "100"),
        make_position("-10", "100", account_id="B"),
        make_position("1", "100", instrument=euro),
        make_position("1", "1", instrument=lost),
    ]
    marks = {
        PLACE: Marks(Decimal(100)),
        ("B", KEY): Marks(None, Decimal(100)),
        (ACCOUNT, euro.key): Marks(Decimal(100)),
    }
    worths = valued(positions, marks, currency="USD", rate=rate)
    found = exposure_of(worths, currency="USD", equity=Decimal(10000))
    assert (found.gross, found.net) == (2110, 110)  # 1000 + 1000 + 110
    (stocks,) = found.by_asset_class
    assert (stocks.name, stocks.gross_ratio) == ("STOCK", Decimal("0.211"))
    assert [(line.name, line.net) for line in found.by_instrument] == [("AAPL", 0), ("SAP", 110)]
    (missing,) = found.missing
    assert missing.name == f"GONE in {ACCOUNT}"
