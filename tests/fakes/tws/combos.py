"""Combos (BAG): one order, one price, several legs that fill all or none.

At the market the legs go to the engine at once. With a limit the combo waits here until the market
of its legs together is as good as that, and then goes there at the legs' prices of that moment.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal

from brokers.mock.market import levels_for
from brokers.mock.twists import PLAIN, Twist
from services.domain.orders import OrderReport
from services.domain.words import OrderType, Side, TimeInForce
from tests.fakes.tws import answers, rules
from tests.fakes.tws.book import Note, Placed
from tests.fakes.tws.ids import number_of
from tests.fakes.tws.rules import Wanted
from tests.fakes.venue import order_of

_ZERO = Decimal(0)
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Combos:
    """All combos of all clients."""

    def __init__(self, venue, gateway, memory):
        self._exchange = venue.exchange
        self._gateway = gateway
        self._book = gateway.book
        self._memory = memory

    def restore(self) -> None:
        """After a restart: those that the engine has not got."""
        for kept in self._memory.combos():
            note = Note.load(kept.note)
            fields = note.fields
            if self._book.find(note.client_id, fields["orderId"]) is None:
                placed = self._book.add(note.client_id, kept.account, fields, perm_id=kept.perm_id)
                placed.ended_at = kept.ended_at

    def place(
        self,
        account: str,
        fields: dict[str, object],
        note: Note,
        legs: Sequence[Wanted],
        twist: Twist,
    ) -> list[int]:
        """Take a combo: to the engine, or to wait; a fault's refusal is the engine's."""
        prices = self._prices(fields, legs)
        if prices is not None or twist.refusal is not None:
            return self._send(account, note, legs, prices or {}, twist)
        perm_id = self._memory.keep_combo(note.dump(), account)
        placed = self._book.add(note.client_id, account, fields, perm_id=perm_id)
        placed.hidden_until = time.monotonic() + twist.hide_seconds
        self._gateway.news.tell_waiting(placed)
        if legs[0].more["time_in_force"] in _IMMEDIATE:
            self.cancel(placed)
        return [perm_id]

    def _send(
        self,
        account: str,
        note: Note,
        legs: Sequence[Wanted],
        prices: dict[int, Decimal],
        twist: Twist = PLAIN,
    ) -> list[int]:
        orders = []
        for leg in legs:
            price = prices.get(leg.listing.con_id)
            limit = {"order_type": OrderType.LIMIT, "limit_price": price} if price else {}
            kept = Note(note.client_id, note.version, note.wire, str(leg.ratio), note.perm_id)
            order = order_of(
                account,
                str(note.fields["orderRef"]),
                *(leg.listing.instrument, leg.side, leg.quantity),
                note=kept.dump(),
                **{**leg.more, **limit},
            )
            orders.append(order)
        return self._sent(
            account, note, legs, self._exchange.place_combo(account, orders, twist=twist)
        )

    def _sent(
        self, account: str, note: Note, legs: Sequence[Wanted], reports: Sequence[OrderReport]
    ) -> list[int]:
        fields = note.fields
        placed = self._book.find(note.client_id, fields["orderId"]) or self._book.add(
            note.client_id, account, fields, perm_id=note.perm_id
        )
        numbers = [number_of(report.broker_order_id) for report in reports]
        self._book.link(placed, numbers, [leg.ratio for leg in legs])
        return numbers

    def _prices(
        self, fields: dict[str, object], legs: Sequence[Wanted]
    ) -> dict[int, Decimal] | None:
        """What the legs may cost; none = the market; None = not as little as the combo's limit."""
        if fields["orderType"] == "MKT":
            return {}
        found = {}
        for leg in legs:
            last = self._exchange.last_price(leg.listing.instrument.key)
            if last is None:
                return None
            level = levels_for(leg.side, last.price, self._exchange.market, _ZERO)[0]
            found[leg.listing.con_id] = level.price
        together = sum((found[leg.listing.con_id] * leg.ratio for leg in legs), _ZERO)
        sign = Side(fields["action"]).sign
        return found if (together - fields["lmtPrice"]) * sign <= 0 else None

    def work(self) -> None:
        """Send what has waited for this market."""
        for placed in list(self._book.waiting()):
            legs = rules.legs(placed.fields, self._gateway.table)
            prices = self._prices(placed.fields, legs)
            if prices is not None:
                kept = self._kept(placed)
                note = Note(kept.client_id, kept.version, kept.wire, perm_id=placed.perm_id)
                self._send(placed.account, note, legs, prices)
                self._gateway.news.drain()

    def _kept(self, placed: Placed) -> Note:
        rows = {each.perm_id: each.note for each in self._memory.combos()}
        return Note.load(rows[placed.perm_id])

    def change(self, placed: Placed, fields: dict[str, object], note: Note) -> None:
        """Another size or limit of a combo that waits. Raises: Refused."""
        rules.legs(fields, self._gateway.table)
        self._memory.change_combo(placed.perm_id, note.dump())
        placed.fields = fields
        self._gateway.news.tell_waiting(placed)

    def cancel(self, placed: Placed) -> None:
        """Of one that waits."""
        placed.ended_at = answers.utc_now().isoformat()
        self._memory.end_combo(placed.perm_id, placed.ended_at)
        self._gateway.news.tell_waiting(placed)
