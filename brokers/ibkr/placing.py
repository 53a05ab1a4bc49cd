"""Orders on their way to the gateway, and what it makes of them: sent once, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from brokers.errors import BrokerError, BrokerUnavailable, OrderRejected, OrderStateUnknown
from brokers.ibkr.api import Client, Contract
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.catalog import Catalog
from brokers.ibkr.codes import Meaning
from brokers.ibkr.combos import ComboPart, bag_of, combo_order
from brokers.ibkr.line import now
from brokers.ibkr.orders import Linked, ib_order
from brokers.ibkr.pacing import Rank
from brokers.ibkr.reports import reports_of
from brokers.ibkr.session import Session
from brokers.ibkr.tracks import Refusal, Track, status_of
from brokers.ibkr.watches import Watch
from services.domain.orders import Order, OrderReport
from services.domain.words import OrderStatus

#: Messages of one order come in a burst; what works and is quiet so long has said its word.
QUIET_SECONDS: Final = 0.02
#: What has ended waits so long for its fills and their commissions.
_FILLS_SECONDS: Final = 1.2
#: A chain of which a part was refused and of whose first nothing is heard for so long is held back.
_CHAIN_SECONDS: Final = 0.3
#: Words after which the gateway's own answer is still to come.
_NO_ANSWER: Final = frozenset({"", "PendingSubmit", "ApiPending", "Inactive"})


class Placing:
    """Places orders; for one event loop."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog

    async def place(self, order: Order) -> OrderReport:
        """Send one order, once. Raises: as `Broker.place_order`."""
        await self._session.ready()
        listing = await self._catalog.listing_for(order)
        made = ib_order(order, listing, self._session.link)
        (report,) = await self._send(listing.contract, [made])
        return report

    async def bracket(self, entry: Order, guards: Sequence[Order]) -> list[OrderReport]:
        """Send an entry and its guards as one chain, once. Raises: as `Broker.place_bracket`."""
        await self._session.ready()
        listing = await self._catalog.listing_for(entry)
        link = self._session.link
        group = entry.client_order_id if len(guards) > 1 else ""
        chain = [ib_order(entry, listing, link, Linked(transmit=False))]
        for place, guard in enumerate(guards, start=1):
            linked = Linked(guard.oco_group or group, transmit=place == len(guards))
            chain.append(ib_order(guard, listing, link, linked))
        return await self._send(listing.contract, chain)

    async def combo(self, legs: Sequence[Order]) -> list[OrderReport]:
        """Send legs as one order of a BAG, once. Raises: as `Broker.place_combo`."""
        await self._session.ready()
        parts = [
            ComboPart(await self._catalog.listing_for(leg), leg.side, leg.quantity) for leg in legs
        ]
        contract, times = bag_of(parts)
        made = combo_order(legs, times, self._session.link)
        return await self._send(contract, [made])

    async def _send(self, contract: Contract, chain: Sequence[IbOrder]) -> list[OrderReport]:
        """Write an order, and those that hang on it, in one go; what the gateway makes of them."""
        session = self._session
        client = await session.order_turn(len(chain))
        tracks = []
        for order in chain:  # numbered now: they must grow in the order in which they leave
            order.orderId = session.line.next_id()
            order.parentId = chain[0].orderId if order is not chain[0] else 0
            tracks.append(session.book.expect(order.orderId, contract, order, now()))
        watch = Watch[Outcome](tracks, self._verdict)
        with session.watching(watch):
            self._write(client, contract, chain, tracks)
            found = await watch.outcome(now().seconds + session.timeout)
        outcome = found if found is not None else self._late(watch)
        if isinstance(outcome, Refusal):
            return await self._looked_for(tracks, watch, outcome)
        if isinstance(outcome, BrokerError):
            raise outcome
        return outcome

    def _write(
        self,
        client: Client,
        contract: Contract,
        chain: Sequence[IbOrder],
        tracks: Sequence[Track],
    ) -> None:
        """Without a pause: nothing else happens in this loop between the first and the last."""
        for place, order in enumerate(chain):
            try:
                client.placeOrder(order.orderId, contract, order)
            except ConnectionError as error:
                for track in tracks[place:]:
                    self._session.book.forget(track)
                if place == 0:
                    raise BrokerUnavailable("the link was lost before it left") from error
                raise OrderStateUnknown("the link was lost in the middle of it") from error

    def _verdict(self, watch: Watch[Outcome]) -> Outcome | None:
        """What has become of orders, as soon as it can be said of all of them."""
        if (doubt := watch.with_meaning(*_DOUBTS)) is not None:
            return doubt
        first, *others = watch.tracks
        if rejection := _rejection(first):
            return rejection
        seconds = now().seconds
        quiet = watch.quiet_for(seconds)
        if not first.shown and quiet >= _CHAIN_SECONDS:
            refused = next((each.refusal for each in others if each.refusal is not None), None)
            if refused is not None:
                return refused  # the chain has never left the gateway
        if all(_has_said_all(each, seconds, quiet) for each in (first, *others)):
            return self._reports(watch.tracks)
        return None

    def _late(self, watch: Watch[Outcome]) -> Outcome:
        """The time is up: what was said counts, and where nothing was, nobody knows."""
        if all(each.shown and each.word not in _NO_ANSWER for each in watch.tracks):
            return self._reports(watch.tracks)
        said = "; ".join(f"{refusal.code}: {refusal.text}" for _, refusal in watch.said)
        sentence = said or "no answer of the gateway"
        return OrderStateUnknown(f"{sentence} within {self._session.timeout:g} s")

    async def _looked_for(
        self, tracks: Sequence[Track], watch: Watch[Outcome], doubt: Refusal
    ) -> list[OrderReport]:
        """Errors that are believed only of an order that the gateway does not show."""
        if watch.with_meaning(Meaning.DUPLICATE_ID):
            self._session.line.skip_ids()
            raise OrderStateUnknown(f"{doubt.code}: {doubt.text}")
        try:
            await self._session.look()
        except BrokerUnavailable as error:
            raise OrderStateUnknown(f"{doubt.code}: {doubt.text}; {error}") from error
        if any(each.accepted for each in tracks):
            return self._taken_in_part(tracks, doubt)
        if any(self._session.book.is_open(each) for each in tracks):
            raise OrderStateUnknown(f"the gateway shows it; {doubt.code}: {doubt.text}")
        if watch.with_meaning(Meaning.TOO_FAST):
            for track in tracks:
                if not track.shown:
                    self._session.book.forget(track)
            raise BrokerUnavailable(f"not taken, {doubt.code}: {doubt.text}")
        for track in tracks:
            self._session.book.refused(track, doubt, now())
        if len(tracks) > 1:
            await self._clear(tracks)
        raise OrderRejected(str(doubt.code), doubt.text)

    def _taken_in_part(self, tracks: Sequence[Track], doubt: Refusal) -> list[OrderReport]:
        """What is not shown of a chain is refused, where that was said of it."""
        for track in tracks:
            if track.shown:
                continue
            if track.doubt is None:
                raise OrderStateUnknown(f"a part of it is not shown; {doubt.code}: {doubt.text}")
            self._session.book.refused(track, track.doubt, now())
        return self._reports(tracks)

    async def _clear(self, tracks: Sequence[Track]) -> None:
        """Of a chain that was refused, the gateway may hold the rest back: not for long."""
        with suppress(BrokerUnavailable, ConnectionError):
            client = await self._session.line.turn(Rank.ORDER, len(tracks))
            for track in tracks:
                client.cancelOrder(track.order_id)

    def _reports(self, tracks: Sequence[Track]) -> list[OrderReport]:
        seconds = now().seconds
        return [
            report for track in tracks for report in reports_of(track, self._catalog.name, seconds)
        ]


Outcome = list[OrderReport] | BrokerError | Refusal
_DOUBTS: Final = (Meaning.REFUSED_UNLESS_SHOWN, Meaning.TOO_FAST, Meaning.DUPLICATE_ID)


def _rejection(track: Track) -> OrderRejected | None:
    """The broker's refusal, where it has definitely refused."""
    refusal = track.refusal
    if refusal is None or status_of(track, track.parts()[0]) is not OrderStatus.REJECTED:
        return None
    return OrderRejected(str(refusal.code), refusal.text)


def _has_said_all(track: Track, seconds: float, quiet: float) -> bool:
    """Whether a gateway that has nothing more to say at once would be as quiet as this."""
    if not track.shown:
        return False
    if track.works:
        answered = track.word not in _NO_ANSWER or bool(track.fills)
        return answered and quiet >= QUIET_SECONDS and fills_told(track, seconds, quiet)
    return fills_told(track, seconds, quiet)


def fills_told(track: Track, seconds: float, quiet: float) -> bool:
    """Whether all fills are told that will be: those of before IB's midnight never are."""
    return track.settled(seconds) or quiet >= _FILLS_SECONDS
