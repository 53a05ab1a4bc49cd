"""Our record of all orders of the account, made of the gateway's raw events; no I/O and no clock.

An event of an order is kept whoever gave it, and whatever client it came by. Orders of other
accounts of the same login are not ours to know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from brokers.ibkr.api import CommissionReport, Contract, Execution
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.codes import Meaning
from brokers.ibkr.exact import decimal_of
from brokers.ibkr.tracks import (
    Fill,
    Refusal,
    Track,
    add_commission,
    add_execution,
    standing_of,
)
from services.domain.values import ZERO

#: What ended is remembered so long: longer than IB's own day.
_REMEMBERED: Final = timedelta(hours=36)
#: What a gateway said a moment ago may not be in the answer that it was preparing.
_JUST_NOW_SECONDS: Final = 5.0
#: Commissions that wait for their fill: of fills of another account it never comes.
_MOST_COMMISSIONS: Final = 1000


class Moment(NamedTuple):
    """Now, on both clocks."""

    at: datetime
    seconds: float


class Book:
    """All orders of one account."""

    def __init__(self, account: str, client_id: int) -> None:
        self._account = account
        self._client_id = client_id
        self._tracks: list[Track] = []
        self._by_perm: dict[int, Track] = {}
        self._by_id: dict[tuple[int, int], Track] = {}
        self._by_fill: dict[str, Track] = {}
        self._commissions: dict[str, CommissionReport] = {}
        self._look = 0
        self.highest_id = 0

    def expect(self, order_id: int, contract: Contract, order: IbOrder, now: Moment) -> Track:
        """An order is about to be sent: nothing is known of it yet."""
        track = Track(
            changed_at=now.at,
            order_id=order_id,
            client_id=self._client_id,
            ref=order.orderRef,
            account=self._account,
            contract=contract,
            order=order,
            sized=True,
        )
        self._tracks.append(track)
        self._by_id[self._client_id, order_id] = track
        return track

    def forget(self, track: Track) -> None:
        """It has not left, or it was a question only."""
        self._drop({id(track)})

    def own(self, order_id: int) -> Track | None:
        """The order that our client gave this number."""
        return self._by_id.get((self._client_id, order_id))

    def shown(self) -> list[Track]:
        """Every order that the gateway has ever said a word of."""
        return [each for each in self._tracks if each.shown]

    def of(self, client_order_id: str) -> list[Track]:
        """Every order under an id of ours, of which the gateway has said a word."""
        return self.of_each([client_order_id])[client_order_id]

    def of_each(self, client_order_ids: Iterable[str]) -> dict[str, list[Track]]:
        """The same for many ids."""
        found: dict[str, list[Track]] = {each: [] for each in client_order_ids}
        for track in self.shown():
            for part in track.parts():
                if part.client_order_id in found:
                    found[part.client_order_id].append(track)
        return found

    def opened(
        self, contract: Contract, order: IbOrder, word: str, now: Moment, *, listed: bool
    ) -> Track | None:
        """The gateway shows an order; `listed`: in answer to what is open now."""
        if order.account != self._account:
            return None
        if order.clientId == self._client_id:
            self.highest_id = max(self.highest_id, order.orderId)
        track = self._found(order.permId, order.clientId, order.orderId, now)
        track.account, track.contract, track.ref = self._account, contract, order.orderRef
        track.order, track.sized = order, True
        track.take_word(word, listed=listed)
        if listed and track.works:
            track.open_in = self._look
        return self._heard(track, now, listed=listed)

    def stated(  # noqa: PLR0913 - a message of the protocol
        self,
        *,
        perm_id: int,
        client_id: int,
        order_id: int,
        word: str,
        filled: float,
        held: str,
        now: Moment,
        listed: bool,
    ) -> Track | None:
        """The gateway says how an order stands; None where it never showed that order to us."""
        if client_id == self._client_id:
            self.highest_id = max(self.highest_id, order_id)
        track = self._known(perm_id, client_id, order_id)
        if track is None:
            return None
        self._name(track, perm_id, client_id, order_id)
        track.held = held
        track.said_filled = decimal_of(filled) or ZERO
        track.take_word(word, listed=listed)
        if listed and track.works:
            track.open_in = self._look
        return self._heard(track, now, listed=listed)

    def completed(self, contract: Contract, order: IbOrder, word: str, now: Moment) -> Track | None:
        """The gateway tells of an order that has ended; it names it by `permId` only."""
        if order.account != self._account:
            return None
        track = self._unnamed(order) or self._found(order.permId, 0, 0, now)
        self._name(track, order.permId, 0, 0)
        track.contract, track.ref, track.account = contract, order.orderRef, self._account
        if decimal_of(track.order.totalQuantity) in {None, ZERO} or decimal_of(order.totalQuantity):
            track.order = order
        track.completed = track.sized = True
        track.take_word(word)
        track.said_filled = max(track.said_filled, decimal_of(order.filledQuantity) or ZERO)
        return self._heard(track, now, listed=True)

    def executed(
        self, contract: Contract, told: Execution, now: Moment, *, listed: bool
    ) -> tuple[Track, Fill | None] | None:
        """A fill; None where it is another account's."""
        if told.acctNumber != self._account:
            return None
        if told.clientId == self._client_id:
            self.highest_id = max(self.highest_id, told.orderId)
        track = self._found(told.permId, told.clientId, told.orderId, now)
        track.account = self._account
        track.ref = track.ref or told.orderRef
        if not track.contract.secType:
            track.contract = contract
            track.order.action = "BUY" if told.side == "BOT" else "SELL"
        fill = add_execution(track, contract, told, now.seconds)
        self._by_fill[told.execId] = track
        waiting = self._commissions.pop(told.execId, None)
        if waiting is not None:
            add_commission(track, waiting, now.seconds)
        self._heard(track, now, listed=listed)
        return track, fill

    def paid(self, told: CommissionReport, now: Moment) -> Track | None:
        """What a fill cost; kept where the fill is not there yet."""
        track = self._by_fill.get(told.execId)
        if track is None:
            self._commissions[told.execId] = told
            if len(self._commissions) > _MOST_COMMISSIONS:
                del self._commissions[next(iter(self._commissions))]
            return None
        return track if add_commission(track, told, now.seconds) else None

    def errored(self, track: Track, meaning: Meaning, refusal: Refusal, now: Moment) -> None:
        """An error names an order; whether it is the order's end depends on what was asked."""
        if meaning is Meaning.CANCELED:
            track.take_word("Cancelled")
        elif meaning is Meaning.REFUSED and not track.changing:
            track.refusal = refusal
        elif meaning in {Meaning.REFUSED_UNLESS_SHOWN, Meaning.TOO_FAST}:
            track.doubt = refusal
        elif meaning in {Meaning.NOTE, Meaning.UNKNOWN}:
            track.note = f"{refusal.code}: {refusal.text}"
        if track.shown or meaning in {Meaning.CANCELED, Meaning.REFUSED}:
            self._heard(track, now, listed=False)

    def refused(self, track: Track, refusal: Refusal, now: Moment) -> None:
        """The broker said no to an order, and does not show it."""
        track.refusal = refusal
        self._heard(track, now, listed=False)

    def doubtful(self) -> bool:
        """Whether something works in our memory that the last answer did not list, or was filled
        without its order having been shown: ended orders must be asked for."""
        return any(
            not each.sized or (each.open_in != self._look and each.works) for each in self.shown()
        )

    def begin_look(self) -> None:
        """Everything is asked for anew: open orders, ended ones and executions."""
        self._look += 1

    def end_look(self, now: Moment) -> None:
        """All answers have come: what works only in our memory, IB does not have."""
        gone = set()
        for track in self.shown():
            track.sized = True  # what was not shown now will not be shown by asking again
            old = now.at - track.changed_at > _REMEMBERED and track.listed_in != self._look
            just_now = now.seconds - track.spoken_at < _JUST_NOW_SECONDS
            vanished = track.works and track.open_in != self._look and not just_now
            if vanished and track.fills:
                track.over = True
            elif old or vanished:
                gone.add(id(track))
        self._drop(gone)

    def is_open(self, track: Track) -> bool:
        """Whether the gateway listed it as open when it was asked last."""
        return track.open_in == self._look

    def _drop(self, gone: Collection[int]) -> None:
        if not gone:
            return
        self._tracks = [each for each in self._tracks if id(each) not in gone]
        self._by_perm = {key: each for key, each in self._by_perm.items() if id(each) not in gone}
        self._by_id = {key: each for key, each in self._by_id.items() if id(each) not in gone}
        self._by_fill = {key: each for key, each in self._by_fill.items() if id(each) not in gone}

    def _heard(self, track: Track, now: Moment, *, listed: bool) -> Track:
        track.shown = True
        stands = standing_of(track)
        if stands != track.stands:
            track.stands, track.changed_at = stands, now.at
        if listed:
            track.listed_in = self._look
        else:
            track.spoken_at = now.seconds
        return track

    def _known(self, perm_id: int, client_id: int, order_id: int) -> Track | None:
        found = self._by_perm.get(perm_id) if perm_id else None
        if found is None and order_id > 0:
            found = self._by_id.get((client_id, order_id))
            if found is not None and perm_id and found.perm_id not in {0, perm_id}:
                return None  # an order of an earlier life of this number
        return found

    def _unnamed(self, order: IbOrder) -> Track | None:
        """The order of ours that this is, where its `permId` was never told us while it worked."""
        if not order.orderRef or order.permId in self._by_perm:
            return None
        same = (each for each in self._tracks if each.ref == order.orderRef and not each.perm_id)
        return next(same, None)

    def _found(self, perm_id: int, client_id: int, order_id: int, now: Moment) -> Track:
        track = self._known(perm_id, client_id, order_id)
        if track is None:
            track = Track(changed_at=now.at)
            self._tracks.append(track)
        self._name(track, perm_id, client_id, order_id)
        return track

    def _name(self, track: Track, perm_id: int, client_id: int, order_id: int) -> None:
        if perm_id:
            track.perm_id = perm_id
            self._by_perm[perm_id] = track
        if order_id > 0:
            track.order_id, track.client_id = order_id, client_id
            self._by_id[client_id, order_id] = track

    def reset_words(self) -> None:
        """A new connection: nothing has been said in it yet."""
        for track in self._tracks:
            track.spoken_at, track.changing = 0.0, False
