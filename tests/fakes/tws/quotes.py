"""Market data: snapshots, streams and ticks of where the engine's market stands."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from brokers.mock.market import worse
from services.domain.words import Side
from tests.fakes.tws import answers
from tests.fakes.tws.contracts import Listing

_BID, _ASK, _LAST, _CLOSE, _LAST_TIME = 1, 2, 4, 9, 45
_DELAYED = {_BID: 66, _ASK: 67, _LAST: 68, _CLOSE: 75, _LAST_TIME: 88}
_LIVE_TYPE, _DELAYED_TYPE = 1, 3
_NOT_SUBSCRIBED = (
    354,
    "Requested market data is not subscribed.Check API status by selecting the Account menu then "
    "under Management choose Market Data Subscription Manager and/or availability of delayed data.",
)
_DISPLAYING_DELAYED = (
    10167,
    "Requested market data is not subscribed. Displaying delayed market data.",
)


class Watched(NamedTuple):
    """One subscription of a session; `ticks`: kind of tick-by-tick data, empty = quotes."""

    listing: Listing
    ticks: str = ""


class Quotes:
    """What sessions watch."""

    def __init__(self, venue, gateway):
        self._exchange = venue.exchange
        self._gateway = gateway
        self._sent: dict[tuple[int, int], Decimal] = {}

    def ask(self, session, fields: dict[str, object]) -> None:
        """One snapshot, or quotes from now on."""
        request, listing = fields["reqId"], self._listing(session, fields)
        if listing is None or self._denied(session, request):
            return
        session.say(answers.tick_parameters(request, listing))
        told = self._tell(session, request, Watched(listing))
        if fields["snapshot"]:
            session.say(answers.end(57, request))
        else:
            session.watched[request] = Watched(listing)
            self._remember(session, request, told)

    def ask_ticks(self, session, fields: dict[str, object]) -> None:
        """Ticks from now on."""
        request, listing = fields["reqId"], self._listing(session, fields)
        if listing is not None and not self._denied(session, request):
            session.watched[request] = Watched(listing, str(fields["tickType"]))
            self._remember(session, request, self._tell(session, request, session.watched[request]))

    def push(self) -> None:
        """Tell who watches what has moved."""
        for session in self._gateway.sessions():
            for request, watched in list(session.watched.items()):
                last = self._exchange.last_price(watched.listing.instrument.key)
                if last and self._sent.get((id(session), request)) != last.price:
                    self._remember(session, request, self._tell(session, request, watched))

    def leave(self, session) -> None:
        """Nobody watches there any more."""
        self._sent = {key: each for key, each in self._sent.items() if key[0] != id(session)}

    def _remember(self, session, request: int, price: Decimal | None) -> None:
        if price is not None:
            self._sent[id(session), request] = price

    def _listing(self, session, fields: dict[str, object]) -> Listing | None:
        found = self._gateway.table.matching(fields)
        if len(found) != 1:
            words = "No security definition has been found for the request"
            session.say(answers.error(200, words, fields["reqId"]))
            return None
        return found[0]

    def _denied(self, session, request: int) -> bool:
        kind = self._gateway.tricks.market_data
        if kind == "NONE" or (kind == "DELAYED" and session.data_type not in {3, 4}):
            session.say(answers.error(*_NOT_SUBSCRIBED, request))
            return True
        delayed = kind == "DELAYED"
        if delayed:
            session.say(answers.error(*_DISPLAYING_DELAYED, request))
        session.say([58, 1, request, _DELAYED_TYPE if delayed else _LIVE_TYPE])
        return False

    def _tell(self, session, request: int, watched: Watched) -> Decimal | None:
        """Where the market of an instrument stands; nothing where nobody knows."""
        last = self._exchange.last_price(watched.listing.instrument.key)
        if last is None:
            return None
        spread = self._exchange.market.spread_bps / 2
        bid, ask = (worse(last.price, side, spread) for side in (Side.SELL, Side.BUY))
        if watched.ticks:
            session.say(_tick(request, watched.ticks, last.as_of, (last.price, bid, ask)))
            return last.price
        kinds = _DELAYED if self._gateway.tricks.market_data == "DELAYED" else {}
        for kind, price in ((_BID, bid), (_ASK, ask), (_LAST, last.price), (_CLOSE, last.price)):
            session.say(answers.tick_price(request, kinds.get(kind, kind), price, 100))
        seconds = int(last.as_of.timestamp())
        session.say(answers.tick_string(request, kinds.get(_LAST_TIME, _LAST_TIME), seconds))
        return last.price


def _tick(request: int, kind: str, at: datetime, prices: tuple[Decimal, Decimal, Decimal]):
    last, bid, ask = prices
    if kind == "BidAsk":
        return answers.tick_bid_ask(request, at, bid, ask)
    if kind == "MidPoint":
        return answers.tick_middle(request, at, last)
    return answers.tick_last(request, 2 if kind == "AllLast" else 1, at, last)
