"""Kite's lists of instruments, one of each exchange and day, kept in files that processes share."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from brokers.errors import BrokerUnavailable, UnsupportedOrder
from brokers.zerodha.contracts import (
    CASH_EXCHANGES,
    Contract,
    Listing,
    Market,
    check_same,
    exchanges_of,
    unlisted_share,
)
from brokers.zerodha.numbers import exact
from brokers.zerodha.times import listing_day
from services.domain.instruments import Instrument

_log = logging.getLogger(__name__)


#: A list that could not be had is asked for again after so long, where there is an older one.
_AGAIN_AFTER: Final = timedelta(minutes=1)
#: What comes of a list that is none, or whose rows are not what they should be.
_UNREADABLE: Final = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class _Kite(Protocol):
    def ask(self, question: Callable[[Any], Any], /) -> Any:  # noqa: ANN401 - Kite's rows
        """The answer. Raises: BrokerUnavailable."""


class Instruments:
    """Looks instruments up; lists are fetched when they are first needed on a day.

    Args:
        kite: whom to ask.
        folder: where lists are kept; made where it is not there.
        now: the time.
    """

    def __init__(
        self,
        kite: _Kite,
        folder: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kite = kite
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        #: With the day that each is of.
        self._markets: dict[str, tuple[date, Market]] = {}
        self._again_at: dict[str, datetime] = {}

    def contract_of(self, instrument: Instrument) -> Contract:
        """The listing of an instrument.

        Raises:
            UnsupportedOrder: there is none, or it is not as it was named.
            BrokerUnavailable: the list could not be had.
        """
        contract = self.find(instrument)
        if contract is None:
            raise UnsupportedOrder(self._why_not(instrument))
        check_same(instrument, contract)
        return contract

    def find(self, instrument: Instrument) -> Contract | None:
        """The same; None = it is not listed. Raises: UnsupportedOrder, BrokerUnavailable."""
        for exchange in exchanges_of(instrument):
            contract = self._market(exchange).find(instrument)
            if contract is not None:
                return contract
        return None

    def instrument_of(self, exchange: str, tradingsymbol: str) -> Instrument:
        """What Kite means by a symbol. Raises: BrokerUnavailable: nobody knows."""
        contract = self._market(exchange).listed_as(tradingsymbol)
        if contract is not None:
            return contract.instrument
        if exchange in CASH_EXCHANGES:
            return unlisted_share(exchange, tradingsymbol)
        raise BrokerUnavailable(
            f"Kite names {tradingsymbol} on {exchange}, and its list of instruments has nothing "
            "of this name that can be traded here"
        )

    def _why_not(self, instrument: Instrument) -> str:
        places = exchanges_of(instrument)
        named = f"{instrument.instrument_type} {instrument.symbol}"
        expiries = [day for place in places for day in self._market(place).expiries(instrument)]
        if instrument.expiry is None and expiries:
            return f"{named} needs an expiry; the nearest is {min(expiries)}"
        return f"Zerodha lists no {named} {_details(instrument)}on {', '.join(places)}"

    def _market(self, exchange: str) -> Market:
        now = self._now()
        today = listing_day(now)
        with self._lock:
            known = self._markets.get(exchange)
            if known is not None and (known[0] == today or now < self._again_at.get(exchange, now)):
                return known[1]
            try:
                market = Market(exchange, self._listings(exchange, today))
            except BrokerUnavailable as error:
                if known is None:
                    raise
                # An exit must not wait for a list: that of yesterday names what is held.
                _log.warning("the list of %s is of %s: %s", exchange, known[0], error)
                self._again_at[exchange] = now + _AGAIN_AFTER
                return known[1]
            self._markets[exchange] = today, market
        return market

    def _listings(self, exchange: str, today: date) -> list[Listing]:
        file = self._folder / f"kite-instruments-{exchange}-{today}.json"
        try:
            return [_stored(row) for row in json.loads(file.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            pass
        except (OSError, *_UNREADABLE) as error:
            _log.warning("%s cannot be read and is fetched again: %s", file, error)
        rows = self._kite.ask(lambda kite: kite.instruments(exchange))
        try:
            listings = [_read(row) for row in rows]
        except _UNREADABLE as error:
            raise BrokerUnavailable(f"Kite's list of {exchange} cannot be read: {error}") from error
        if not listings:
            raise BrokerUnavailable(f"Kite's list of {exchange} is empty")
        self._keep(file, listings)
        return listings

    def _keep(self, file: Path, listings: Iterable[Listing]) -> None:
        """For other processes and the next start; without the file it is only slower."""
        beside = file.with_suffix(f".{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(list(listings), default=str), encoding="utf-8")
            beside.replace(file)
            for old in file.parent.glob(f"{file.stem[: -len('2026-01-01')]}*.json"):
                if old.name < file.name:
                    old.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s could not be written: %s", file, error)


def _details(instrument: Instrument) -> str:
    terms = (instrument.expiry, instrument.strike, instrument.right)
    return "".join(f"{each} " for each in terms if each is not None)


def _read(row: Mapping[str, Any]) -> Listing:
    """A row as the library parses it."""
    return Listing(
        exchange=_text(row["exchange"]),
        tradingsymbol=_text(row["tradingsymbol"]),
        name=_text(row["name"]),
        kind=_text(row["instrument_type"]),
        expiry=_day(row["expiry"]),
        strike=exact(row["strike"]),
        tick=exact(row["tick_size"]),
        lot=int(row["lot_size"]),
    )


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise ValueError(f"a text was expected, found {told!r}")
    return told


def _day(told: object) -> date | None:
    if type(told) is date:
        return told
    if told == "":
        return None
    raise ValueError(f"an expiry must be a day, was {told!r}")


def _stored(row: list[Any]) -> Listing:
    exchange, symbol, name, kind, expiry, strike, tick, lot = row
    day = None if expiry is None else date.fromisoformat(expiry)
    exchange, symbol, name, kind = map(_text, (exchange, symbol, name, kind))
    return Listing(exchange, symbol, name, kind, day, exact(strike), exact(tick), int(lot))
