"""Lists of instruments: fetched once a day, shared in files, and never a reason to hold an exit."""

from datetime import UTC, date, datetime, timedelta

import pytest

from brokers.errors import BrokerUnavailable, UnsupportedOrder
from brokers.zerodha.instruments import Instruments
from tests.support.broker_orders import INFY, stock

MORNING = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # half past nine in India


class Kite:
    """Hands out one list, and counts how often."""

    def __init__(self):
        self.asked = []
        self.rows = [row("INFY"), row("NIFTY26NOVFUT", "FUT", "NFO", expiry=date(2026, 11, 26))]
        self.away = False

    def ask(self, question):
        if self.away:
            raise BrokerUnavailable("away")
        return question(self)

    def instruments(self, exchange):
        self.asked.append(exchange)
        return [each for each in self.rows if each["exchange"] == exchange]


def row(symbol, kind="EQ", exchange="NSE", **fields):
    """As the library parses it."""
    known = {"tradingsymbol": symbol, "name": symbol, "instrument_type": kind, "expiry": ""}
    known |= {"exchange": exchange, "strike": 0.0, "tick_size": 0.05, "lot_size": 1}
    return known | fields


class Clock:
    now = MORNING

    def __call__(self):
        return self.now


@pytest.fixture
def kite():
    return Kite()


@pytest.fixture
def clock():
    return Clock()


def lists(kite, clock, tmp_path):
    return Instruments(kite, tmp_path / "cache", now=clock)


def test_a_list_is_fetched_once_a_day_by_all_processes_together(kite, clock, tmp_path):
    first, second = (lists(kite, clock, tmp_path) for _ in range(2))
    for each in (first, second, first):
        assert each.contract_of(INFY).listing.tradingsymbol == "INFY"
    assert kite.asked == ["NSE"]
    assert second.contract_of(INFY) == first.contract_of(INFY)
    clock.now += timedelta(days=1)
    first.contract_of(INFY)
    assert kite.asked == ["NSE", "NSE"]
    assert len(list((tmp_path / "cache").glob("kite-instruments-NSE-*"))) == 1


def test_the_list_of_today_is_there_from_half_past_eight(kite, clock, tmp_path):
    clock.now = MORNING - timedelta(hours=1, minutes=1)
    made = lists(kite, clock, tmp_path)
    made.contract_of(INFY)
    clock.now += timedelta(minutes=2)
    made.contract_of(INFY)
    assert len(kite.asked) == 2


def test_only_the_exchanges_that_are_needed_are_asked_for(kite, clock, tmp_path):
    lists(kite, clock, tmp_path).contract_of(INFY)
    assert kite.asked == ["NSE"]


def test_without_any_list_nothing_is_known_and_nothing_guessed(kite, clock, tmp_path):
    kite.away = True
    with pytest.raises(BrokerUnavailable, match="away"):
        lists(kite, clock, tmp_path).contract_of(INFY)


def test_while_the_list_of_today_cannot_be_had_that_of_yesterday_serves(kite, clock, tmp_path):
    made = lists(kite, clock, tmp_path)
    made.contract_of(INFY)
    clock.now += timedelta(days=1)
    kite.away = True
    assert made.contract_of(INFY).instrument == INFY
    kite.away = False
    kite.rows.append(row("TCS"))
    with pytest.raises(UnsupportedOrder):
        made.contract_of(stock("TCS"))  # not asked again yet
    clock.now += timedelta(minutes=1)
    assert made.contract_of(stock("TCS")).listing.tradingsymbol == "TCS"


@pytest.mark.parametrize("text", ["", "{", "[[1, 2]]", '{"a": 1}'])
def test_a_torn_file_is_fetched_again(kite, clock, tmp_path, text):
    lists(kite, clock, tmp_path).contract_of(INFY)
    (file,) = (tmp_path / "cache").glob("*.json")
    file.write_text(text, encoding="utf-8")
    assert lists(kite, clock, tmp_path).contract_of(INFY).instrument == INFY
    assert kite.asked == ["NSE", "NSE"]


@pytest.mark.parametrize("rows", [[], [{"exchange": "NSE"}], [row("INFY", lot_size="x")]])
def test_a_list_that_cannot_be_read_is_no_list(kite, clock, tmp_path, rows):
    kite.rows = rows
    with pytest.raises(BrokerUnavailable):
        lists(kite, clock, tmp_path).contract_of(INFY)
    assert list((tmp_path / "cache").glob("*")) == []


def test_a_folder_that_cannot_be_used_is_only_slower(kite, clock, tmp_path):
    (tmp_path / "cache").write_text("a file")
    for _ in range(2):
        assert lists(kite, clock, tmp_path).contract_of(INFY).instrument == INFY
    assert kite.asked == ["NSE", "NSE"]


def test_what_kite_names_and_nobody_lists_is_an_error_but_for_shares(kite, clock, tmp_path):
    made = lists(kite, clock, tmp_path)
    assert made.instrument_of("NSE", "GONE").symbol == "GONE"
    with pytest.raises(BrokerUnavailable, match="NIFTY25OCTFUT on NFO"):
        made.instrument_of("NFO", "NIFTY25OCTFUT")


@pytest.mark.parametrize(
    "stored", ["[[]]", "[null]", "{}x", '[["NSE","INFY","INFY","EQ",null,"x","1",1]]']
)
def test_a_file_that_was_damaged_is_fetched_again(kite, clock, tmp_path, stored):
    lists(kite, clock, tmp_path).contract_of(INFY)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(stored, encoding="utf-8")
    assert lists(kite, clock, tmp_path).contract_of(INFY).listing.tradingsymbol == "INFY"
    assert kite.asked == ["NSE", "NSE"]


@pytest.mark.parametrize(
    "wrong", [{"name": None}, {"strike": "x"}, {"expiry": 5}, {"lot_size": None}]
)
def test_a_list_that_cannot_be_read_is_refused_by_name(kite, clock, tmp_path, wrong):
    kite.rows = [row("INFY") | wrong]
    with pytest.raises(BrokerUnavailable, match="cannot be read"):
        lists(kite, clock, tmp_path).contract_of(INFY)
