"""Changes and cancels of orders that the gateway has: requests, whose results it has to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from brokers.errors import (
    BrokerError,
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.catalog import Catalog
from brokers.ibkr.codes import Meaning
from brokers.ibkr.line import now
from brokers.ibkr.orders import Linked, ib_order, same_terms, terms_misfit, under
from brokers.ibkr.placing import QUIET_SECONDS, fills_told
from brokers.ibkr.reports import WORKING, report_of
from brokers.ibkr.session import Session
from brokers.ibkr.tracks import ENDED, RIPE_SECONDS, Part, Refusal, Track
from brokers.ibkr.watches import Watch
from services.domain.orders import Order, OrderReport, OrderTerms
from services.domain.words import OrderType

Outcome = OrderReport | BrokerError | Refusal
Verdict = Callable[[Watch[Outcome]], Outcome | None]
#: A cancel that was only taken note of is done later, or never: nobody waits for it here.
_TAKEN_NOTE_SECONDS: Final = 0.25
_TAKEN_NOTE: Final = "PendingCancel"
_REFUSALS: Final = (Meaning.REFUSED, Meaning.REFUSED_UNLESS_SHOWN, Meaning.CHANGE_REFUSED)


class Changing:
    """Changes and cancels orders; for one event loop."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog

    async def modify(self, order: Order, terms: OrderTerms) -> OrderReport:
        """Send an order again with other terms, once. Raises: as `Broker.modify_order`."""
        session, own_id = self._session, order.client_order_id
        await session.ready()
        await session.glance()
        if not session.book.of(own_id):
            await session.look()
        track = self._changeable(own_id)
        wanted = await self._changed(order, terms, track)
        client = await session.order_turn()
        # What IB does not have any more would be a new order.
        if session.book.of(own_id) != [track] or self._report(track, own_id).status not in WORKING:
            raise OrderRejected("ORDER_ENDED", f"order {own_id} has ended meanwhile")
        shown = track.order

        def verdict(watch: Watch[Outcome]) -> Outcome | None:
            if (refusal := watch.with_meaning(*_REFUSALS)) is not None:
                return OrderRejected(str(refusal.code), refusal.text)
            if (refusal := watch.with_meaning(Meaning.TOO_FAST)) is not None:
                return BrokerUnavailable(f"not taken, {refusal.code}: {refusal.text}")
            report = self._report(track, own_id)
            if report.status not in WORKING:
                return report
            answered = track.order is not shown and same_terms(wanted, track.order)
            return report if answered and _quiet(watch, QUIET_SECONDS) else None

        track.changing = True
        try:
            outcome = await self._outcome(
                track, verdict, lambda: client.placeOrder(track.order_id, track.contract, wanted)
            )
        finally:
            track.changing = False
        return outcome if isinstance(outcome, OrderReport) else self._report(track, own_id)

    def _changeable(self, own_id: str) -> Track:
        """The one order of an id that our client may change.

        Raises: OrderRejected, OrderStateUnknown, UnsupportedOrder.
        """
        found = self._session.book.of(own_id)
        if not found:
            raise OrderRejected("UNKNOWN_ORDER", f"the gateway has no order {own_id}")
        if len(found) > 1:
            raise OrderStateUnknown(f"there are {len(found)} orders {own_id}: none is changed")
        (track,) = found
        if self._report(track, own_id).status not in WORKING:
            raise OrderRejected("ORDER_ENDED", f"order {own_id} has ended already")
        if track.is_combo:
            raise UnsupportedOrder("legs of a combo are not changed")
        if objection := self._not_ours(track):
            raise OrderRejected("OTHER_CLIENT", objection)
        return track

    def _not_ours(self, track: Track) -> str:
        own = self._session.link.client_id
        if track.order_id > 0 and track.client_id == own:
            return ""
        return (
            f"order {track.ref} was sent by client id {track.client_id}, and IB lets only that one "
            f"change or cancel it; this is client id {own}"
        )

    async def _changed(self, order: Order, terms: OrderTerms, track: Track) -> IbOrder:
        if misfit := terms_misfit(order, terms):
            raise OrderRejected("BAD_TERMS", misfit)
        listing = await self._catalog.listing_for(under(order, terms))
        group = Linked(group=track.order.ocaGroup)
        wanted = ib_order(under(order, terms), listing, self._session.link, group)
        wanted.orderId, wanted.parentId = track.order_id, track.order.parentId
        if order.order_type is OrderType.TRAILING_STOP and terms.stop_price is None:
            wanted.trailStopPrice = track.order.trailStopPrice  # it trails on from where it is
        return wanted

    async def cancel(self, order: Order) -> OrderReport:
        """Ask to cancel, and say what came of it. Raises: as `Broker.cancel_order`."""
        session, own_id = self._session, order.client_order_id
        await session.ready()
        if not session.book.of(own_id):
            await session.look()
        found = session.book.of(own_id)
        if not found:
            raise OrderStateUnknown(f"the gateway has no order {own_id} to cancel")
        reports = [await self._cancel(track, own_id) for track in found]
        if len(reports) > 1:
            raise OrderStateUnknown(f"there were {len(reports)} orders {own_id} to cancel")
        return reports[0]

    async def _cancel(self, track: Track, own_id: str) -> OrderReport:
        if self._report(track, own_id).status not in WORKING:
            return self._report(track, own_id)
        if objection := self._not_ours(track):
            raise OrderStateUnknown(objection)

        def verdict(watch: Watch[Outcome]) -> Outcome | None:
            if (refusal := watch.with_meaning(Meaning.CANCEL_REFUSED)) is not None:
                return refusal
            if (refusal := watch.with_meaning(Meaning.TOO_FAST)) is not None:
                return BrokerUnavailable(f"not taken, {refusal.code}: {refusal.text}")
            report = self._report(track, own_id)
            if report.status not in WORKING:
                seconds = now().seconds
                return report if fills_told(track, seconds, watch.quiet_for(seconds)) else None
            taken_note = watch.heard_at is not None and track.word == _TAKEN_NOTE
            return report if taken_note and _quiet(watch, _TAKEN_NOTE_SECONDS) else None

        client = await self._session.order_turn()
        outcome = await self._outcome(track, verdict, lambda: client.cancelOrder(track.order_id))
        return (
            outcome
            if isinstance(outcome, OrderReport)
            else await self._asked(track, own_id, outcome)
        )

    async def _asked(self, track: Track, own_id: str, why: Refusal) -> OrderReport:
        """A cancel was refused: how the order stands, by all that the gateway has."""
        sentence = f"not canceled, {why.code}: {why.text}"
        if track.word in ENDED and await self._settled(track):
            return self._report(track, own_id)
        try:
            await self._session.look()
        except BrokerUnavailable as error:
            raise OrderStateUnknown(f"{sentence}; {error}") from error
        found = self._session.book.of(own_id)
        if len(found) != 1:
            raise OrderStateUnknown(f"{sentence}; the gateway has {len(found)} such orders")
        return self._report(found[0], own_id)

    async def _settled(self, track: Track) -> bool:
        """Whether all that has filled of an ended order is told, now or in a moment."""
        end = now().seconds + RIPE_SECONDS
        while not track.settled(now().seconds) and now().seconds < end:
            await asyncio.sleep(QUIET_SECONDS)
        return track.settled(now().seconds)

    async def _outcome(
        self, track: Track, verdict: Verdict, write: Callable[[], object]
    ) -> OrderReport | Refusal:
        """Write once, and wait for the verdict.

        Raises: BrokerUnavailable, OrderRejected, OrderStateUnknown.
        """
        watch = Watch[Outcome]([track], verdict)
        with self._session.watching(watch):
            try:
                write()
            except ConnectionError as error:
                raise BrokerUnavailable("the link was lost before it left") from error
            found = await watch.outcome(now().seconds + self._session.timeout)
        if isinstance(found, BrokerError):
            raise found
        if found is None:
            said = "; ".join(f"{refusal.code}: {refusal.text}" for _, refusal in watch.said)
            raise OrderStateUnknown(
                f"{said or 'no answer of the gateway'} within {self._session.timeout:g} s"
            )
        return found

    def _report(self, track: Track, own_id: str) -> OrderReport:
        return report_of(track, part_of(track, own_id), self._catalog.name, now().seconds)


def part_of(track: Track, own_id: str) -> Part:
    """The part of an order that has an id of ours."""
    return next(each for each in track.parts() if each.client_order_id == own_id)


def _quiet(watch: Watch[Outcome], seconds: float) -> bool:
    return watch.heard_at is not None and watch.quiet_for(now().seconds) >= seconds
