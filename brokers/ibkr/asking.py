"""Questions about the account: orders, fills, positions, figures, prices, margin."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from brokers.broker import AccountState, BrokerPosition, MarginQuote, OpenOrder, Quote
from brokers.errors import (
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from brokers.ibkr.answers import RequestFailed
from brokers.ibkr.api import Contract, OrderState
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.catalog import Catalog
from brokers.ibkr.changing import part_of
from brokers.ibkr.codes import Meaning, meaning_of
from brokers.ibkr.combos import ComboPart, bag_of
from brokers.ibkr.contracts import Listing
from brokers.ibkr.exact import decimal_of, float_of, positive_of
from brokers.ibkr.holdings import held_by, positions_of, state_of
from brokers.ibkr.line import now
from brokers.ibkr.pacing import Rank
from brokers.ibkr.reports import all_executions, open_orders_of, report_of
from brokers.ibkr.session import Session
from brokers.ibkr.tracks import RIPE_SECONDS, Track
from brokers.ibkr.window import Window
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, OrderReport
from services.domain.values import ZERO
from services.domain.words import Side

_BID, _ASK, _LAST, _LAST_TIME = 1, 2, 4, 45
#: A two-sided price waits so long for a last one and its time.
_TIME_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.05
_WOULD_NOT_TAKE: Final = frozenset({Meaning.REFUSED, Meaning.REFUSED_UNLESS_SHOWN})


class Asking:
    """Asks the gateway; for one event loop."""

    def __init__(self, session: Session, catalog: Catalog, window: Window) -> None:
        self._window = window
        self._session = session
        self._line = session.line
        self._catalog = catalog

    async def orders(self, client_order_ids: Sequence[str]) -> dict[str, OrderReport]:
        """How orders of ours stand, by id. Raises: as `Broker.find_order`."""
        session = self._session
        await session.ready()
        await session.glance()
        known = session.book.of_each(client_order_ids)
        if any(not _all_open(tracks) for tracks in known.values()):
            await session.look()
            known = session.book.of_each(client_order_ids)
        doubled = [each for each, tracks in known.items() if len(tracks) > 1]
        if doubled:
            raise OrderStateUnknown(f"the gateway has {', '.join(doubled)} more than once")
        tracks = [track for found in known.values() for track in found]
        await self._make_tellable(tracks)
        seconds = now().seconds
        return {
            each: report_of(track, part_of(track, each), self._catalog.name, seconds)
            for each, found in known.items()
            for track in found
        }

    async def open_orders(self) -> list[OpenOrder]:
        """All working orders, oldest first. Raises: BrokerUnavailable."""
        await self._session.ready()
        await self._session.glance()
        tracks = [each for each in self._session.book.shown() if each.works]
        await self._make_tellable(tracks)
        seconds = now().seconds
        tracks.sort(key=lambda each: each.perm_id)
        return [row for each in tracks for row in open_orders_of(each, self._catalog.name, seconds)]

    async def executions(self, since: datetime | None) -> list[Execution]:
        """All fills, or those since then; all that have come since then, too.

        Raises: BrokerUnavailable.
        """
        session = self._session
        await session.ready()
        if since is None:
            await session.look()
        else:
            await session.glance(since=since)
        tracks = [each for each in session.book.shown() if each.fills]
        await self._make_tellable(tracks)
        moment = now()
        found = all_executions(tracks, self._catalog.name, moment.seconds)
        if since is None:
            return found
        second = since.replace(microsecond=0)  # IB tells no finer time
        came = moment.seconds - (moment.at - second).total_seconds()
        late = {
            (fill.execution_id, fill.revision)
            for track in tracks
            for told in track.fills.values()
            for fill in told
            if fill.arrived_at >= came
        }
        return [
            each
            for each in found
            if each.occurred_at >= second or (each.execution_id, each.revision) in late
        ]

    async def _make_tellable(self, tracks: Sequence[Track]) -> None:
        """Know what everything is called, and let fills wait for their commissions."""
        await self._catalog.learn(
            contract
            for track in tracks
            for contract in (
                *(part.contract for part in track.parts()),
                *(fill.contract for told in track.fills.values() for fill in told),
            )
        )
        end = now().seconds + RIPE_SECONDS
        while (seconds := now().seconds) < end:
            if all(
                fill.ripe(seconds) for each in tracks for t in each.fills.values() for fill in t
            ):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def positions(self) -> list[BrokerPosition]:
        """Net positions. Raises: BrokerUnavailable."""
        await self._session.ready()
        rows = await held_by(self._line, self._session.link.broker_account)
        await self._catalog.learn(each.contract for each in rows)
        return positions_of(rows, self._catalog.name, self._window.price_of)

    async def account_state(self, account_id: str) -> AccountState:
        """The account's figures. Raises: BrokerUnavailable."""
        await self._session.ready()
        number, account = self._line.next_id(), self._session.link.broker_account
        try:
            rows = await self._line.ask(
                number, lambda client: client.reqAccountUpdatesMulti(number, account, "", False)
            )
        except RequestFailed as error:
            raise BrokerUnavailable(f"figures of {account}: {error}") from error
        except BrokerUnavailable:
            await self._no_more_figures(number)
            raise
        await self._no_more_figures(number)
        mine = [row for row in rows if row[0] == account]
        return state_of(account_id, mine, datetime.now(UTC))

    async def _no_more_figures(self, number: int) -> None:
        """Else every change would be told from now on, for each time that they were asked for."""
        with suppress(BrokerUnavailable, ConnectionError):
            client = await self._line.turn(Rank.QUESTION)
            client.cancelAccountUpdatesMulti(number)

    async def last_price(self, instrument: Instrument) -> Quote | None:
        """The last trade; of what has none, e.g. currencies, the middle of the market now.

        Raises: BrokerUnavailable.
        """
        await self._session.ready()
        try:
            listing = await self._catalog.listing(instrument)
        except (OrderRejected, UnsupportedOrder):
            return None
        number = self._line.next_id()
        began = now().seconds
        try:
            rows, whole = await self._line.ask_until(
                number,
                lambda client: client.reqMktData(number, listing.contract, "", True, False, []),
                lambda rows: _enough(rows, now().seconds - began),
            )
        except RequestFailed as error:
            raise BrokerUnavailable(f"price of {instrument.symbol}: {error}") from error
        if not whole:
            client = await self._line.turn(Rank.QUESTION)
            client.cancelMktData(number)
        quote = _quote(instrument, rows)
        if quote is None and not whole:
            raise BrokerUnavailable(
                f"no price of {instrument.symbol} came within {self._session.timeout:g} s"
            )
        return quote

    async def preview(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """What legs together would change. Raises: as `Broker.preview_margin`."""
        await self._session.ready()
        parts = await self._netted(legs)
        if not parts:
            return MarginQuote(
                initial_margin=ZERO, maintenance_margin=ZERO, as_of=datetime.now(UTC)
            )
        if len(parts) == 1:
            (part,) = parts
            contract, side, quantity = part.listing.contract, part.side, part.quantity
        else:
            contract, times = bag_of(parts)
            side, quantity = Side.BUY, Decimal(times)
        named = ", ".join(part.listing.instrument.symbol for part in parts)
        state = await self._what_if(contract, side, quantity, named)
        initial = decimal_of(state.initMarginChange)
        maintenance = decimal_of(state.maintMarginChange)
        if initial is None or maintenance is None:
            why = state.warningText or "the gateway tells no margin"
            raise BrokerUnavailable(f"margin of {named}: {why}")
        return MarginQuote(
            initial_margin=initial, maintenance_margin=maintenance, as_of=datetime.now(UTC)
        )

    async def _netted(self, legs: Sequence[PreviewLeg]) -> list[ComboPart]:
        """Each contract once; what is bought and sold in the same question changes nothing."""
        listings: dict[int, Listing] = {}
        sums: dict[int, Decimal] = {}
        for leg in legs:
            listing = await self._catalog.listing(leg.instrument)
            key = listing.contract.conId
            listings[key] = listing
            sums[key] = sums.get(key, ZERO) + leg.side.sign * leg.quantity
        return [
            ComboPart(listings[key], Side.BUY if total > 0 else Side.SELL, abs(total))
            for key, total in sums.items()
            if total
        ]

    async def _what_if(
        self, contract: Contract, side: Side, quantity: Decimal, named: str
    ) -> OrderState:
        """IB's own reckoning of an order that is not sent."""
        order = IbOrder(
            action=str(side),
            totalQuantity=float_of(quantity),
            orderType="MKT",
            tif="DAY",
            account=self._session.link.broker_account,
            whatIf=True,
        )
        try:
            rows = await self._line.ask_numbered(
                lambda client, number: client.placeOrder(number, contract, order)
            )
        except RequestFailed as error:
            sentence = f"margin of {named}: {error}"
            if meaning_of(error.code) in _WOULD_NOT_TAKE:
                raise OrderRejected(str(error.code), sentence) from error
            raise BrokerUnavailable(sentence) from error
        state: OrderState = rows[-1]
        return state


def _all_open(tracks: Sequence[Track]) -> bool:
    return bool(tracks) and all(each.works for each in tracks)


def _enough(rows: Sequence[tuple[int, Any]], waited: float) -> bool:
    kinds = {kind for kind, _ in rows}
    if {_LAST, _LAST_TIME} <= kinds:
        return True
    return waited >= _TIME_SECONDS and {_BID, _ASK} <= kinds


def _quote(instrument: Instrument, rows: Sequence[tuple[int, Any]]) -> Quote | None:
    """A last price without its time may be of any day: it is none."""
    told = dict(rows)
    last, seconds = positive_of(told.get(_LAST)), decimal_of(told.get(_LAST_TIME))
    if last is not None and seconds:
        moment = datetime.fromtimestamp(int(seconds), UTC)
        return Quote(instrument=instrument, price=last, as_of=moment)
    bid, ask = positive_of(told.get(_BID)), positive_of(told.get(_ASK))
    if bid is None or ask is None:
        return None
    return Quote(instrument=instrument, price=(bid + ask) / 2, as_of=datetime.now(UTC))
