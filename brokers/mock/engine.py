"""What becomes of orders at the mock broker: taken, filled, changed, ended, and told about.

Whoever calls it holds the exchange's lock and a transaction. What there is to tell is collected in
`said`, because faults may tell it twice or in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from brokers.broker import Capabilities
from brokers.errors import UnsupportedOrder
from brokers.mock import combos, links, margin, matching
from brokers.mock.books import Books, latest
from brokers.mock.journal import Journal
from brokers.mock.margin import Refusal
from brokers.mock.market import Market, is_open, levels_for, session_of
from brokers.mock.matching import IMMEDIATE, Take
from brokers.mock.stored import StoredOrder, leg_of
from services.domain.orders import Order, OrderReport, OrderTerms
from services.domain.values import ZERO
from services.domain.words import InstrumentType, OrderStatus, TimeInForce

_S = OrderStatus


class Engine:
    """Orders of all accounts."""

    def __init__(
        self,
        journal: Journal,
        books: Books,
        *,
        capabilities: Callable[[str], Capabilities],
        market: Market,
    ) -> None:
        self._journal = journal
        self.books = books
        self.capabilities = capabilities
        self.market = market
        #: When what is happening happens.
        self.now = datetime.now(UTC)
        self.said: list[tuple[StoredOrder, OrderReport]] = []

    def add(self, account_id: str, order: Order) -> StoredOrder:
        """Take an order in; nothing has happened to it yet."""
        stored = self._journal.add_order(account_id, order, self.now)
        if stored.standing.group is not None and not self.capabilities(account_id).oco:
            stored.change(group=None)
        if (group := stored.standing.group) is not None:
            stored.change(taken=self._journal.filled_of_group(account_id, group))
        return stored

    def place(self, account_id: str, order: Order, refusal: Refusal | None = None) -> StoredOrder:
        """Take an order: it is rejected, fills, ends or rests."""
        stored = self.add(account_id, order)
        refusal = refusal or self.refusal(stored)
        if refusal is not None:
            self.end(stored, _S.REJECTED, str(refusal))
            return stored
        if stored.standing.left <= 0:
            self.end(stored, _S.CANCELED, "its group has filled already")
            return stored
        self.work(stored, self.price_for(order), first=True)
        return stored

    def refusal(self, stored: StoredOrder) -> Refusal | None:
        """Why an order is not taken, or None."""
        order, account_id = stored.order, stored.account_id
        refusal = self.unsupported(account_id, order) or matching.misfit(order)
        if refusal is not None:
            return refusal
        middle = self.price_for(order)
        price = matching.expected_price(order, stored.standing, middle)
        if price is None:
            return margin.no_price(order.instrument)
        if order.time_in_force in IMMEDIATE and not self.trades(order):
            return Refusal("MARKET_CLOSED", f"{order.instrument.symbol} does not trade now")
        return self.books.refusal(account_id, leg_of(order, order.quantity), price)

    def unsupported(self, account_id: str, order: Order) -> Refusal | None:
        """Why an order is none that this account may send, or None."""
        try:
            self.capabilities(account_id).require(order)
        except UnsupportedOrder as error:
            return Refusal("UNSUPPORTED_ORDER", str(error))
        return None

    def price_for(self, order: Order) -> Decimal | None:
        """Where the market stands; as long as nobody has said so, where the sender saw it."""
        return self._journal.price(order.instrument.key) or order.reference_price

    def trades(self, order: Order) -> bool:
        """Whether its market is open now."""
        return is_open(self.market.hours.get(order.instrument.instrument_type), self.now)

    def work(self, stored: StoredOrder, middle: Decimal | None, *, first: bool = False) -> None:
        """Fill of an order what can be filled at a price; `first`: it has just been taken."""
        if not stored.works:
            return
        if stored.standing.combo is not None:
            combos.work(self, [stored, *links.legs_of(stored, self.working_of(stored))])
            return
        before, takes = stored.standing, self._reach(stored, middle)
        short = None if first or not takes else self._short_of_funds(stored, takes)
        if short is not None:
            self.end(stored, _S.CANCELED, str(short))
        elif takes:
            self.fill(stored, takes)
        elif stored.order.time_in_force not in IMMEDIATE:
            self._rest(stored, before, first=first)
        if stored.works and stored.order.time_in_force in IMMEDIATE:
            rest = "the rest is not marketable" if stored.standing.filled else "not marketable"
            self.end(stored, _S.CANCELED, rest)

    def _reach(self, stored: StoredOrder, middle: Decimal | None) -> list[Take]:
        """Let a price reach an order; what it takes."""
        if middle is None or not self.trades(stored.order):
            return []
        entry = stored.standing.entry
        quantity = links.alive(stored, self._journal.order(entry) if entry else None)
        if quantity <= 0:
            return []
        stored.standing = matching.moved(stored.order, stored.standing, middle)
        return self.takes(stored, middle, quantity, ZERO)

    def _rest(self, stored: StoredOrder, before: matching.Standing, *, first: bool) -> None:
        if first and not self.trades(stored.order):
            stored.change(text="waits until the market opens")
        elif stored.standing.triggered is not before.triggered:
            stored.change(text="triggered")
        elif not first:
            if stored.standing is not before:
                self.save(stored)  # a trailing stop has moved: every tick would be a report
            return
        self.tell(stored)

    def takes(
        self, stored: StoredOrder, middle: Decimal, quantity: Decimal, also_gone: Decimal
    ) -> list[Take]:
        """What an order finds now; `also_gone`: what others take from its side before it."""
        order = stored.order
        gone = self._journal.gone(stored.key, order.side) + also_gone
        levels = levels_for(order.side, middle, self.market, gone)
        return matching.takes(order, stored.standing, levels, self.market, quantity)

    def _short_of_funds(self, stored: StoredOrder, takes: Sequence[Take]) -> Refusal | None:
        quantity = sum((take.quantity for take in takes), ZERO)
        leg = leg_of(stored.order, quantity)
        return self.books.refusal(stored.account_id, leg, takes[-1].price)

    def fill(self, stored: StoredOrder, takes: Sequence[Take]) -> None:
        """Book fills of an order in any state, and what follows from them."""
        worked = stored.works
        for take in takes:
            self.books.fill(stored, take, self.now)
            if self.market.depth is not None:
                self._journal.take(stored.key, stored.order.side, take.quantity)
        if stored.standing.left <= 0:
            stored.change(status=_S.FILLED, text="")
        elif worked:
            stored.change(status=_S.PARTIALLY_FILLED, text="")
        self.tell(stored)
        if not worked:
            return
        self._take_off_the_group(stored, sum((take.quantity for take in takes), ZERO))
        for guard in links.guards_of(stored, self.working_of(stored)):
            if stored.standing.left > 0:
                guard.change(text=f"guards {stored.standing.filled:f} of {guard.order.quantity:f}")
                self.tell(guard)
            else:
                self._release(guard, stored)
            self.work(guard, self._journal.price(guard.key) or takes[-1].price)

    def _take_off_the_group(self, stored: StoredOrder, quantity: Decimal) -> None:
        if (group := stored.standing.group) is not None:
            self._journal.add_to_group(stored.account_id, group, quantity)
        for other in links.siblings_of(stored, self.working_of(stored)):
            if not other.works:
                continue
            other.change(taken=other.standing.taken + quantity)
            if other.standing.left <= 0:
                self.end(other, _S.CANCELED, f"order {stored.broker_order_id} of its group filled")
            else:
                self.tell(other)

    def end(self, stored: StoredOrder, status: OrderStatus, text: str) -> None:
        """End an order, and what hangs on it."""
        stored.change(status=status, text=text)
        self.tell(stored)
        working = self.working_of(stored)
        for guard in links.guards_of(stored, working):
            self._release(guard, stored)
        for leg in links.legs_of(stored, working):
            if leg.works:
                self.end(leg, status, text)

    def _release(self, guard: StoredOrder, entry: StoredOrder) -> None:
        """A guard whose entry has ended is an order like any other, for what that one filled."""
        filled = entry.standing.filled
        if not filled:
            self.end(guard, _S.CANCELED, f"its entry has ended {entry.standing.status} unfilled")
            return
        guard.change(entry=None, quantity=min(guard.standing.quantity, filled), text="")
        if guard.standing.left <= 0:
            self.end(guard, _S.FILLED if guard.standing.filled else _S.CANCELED, "")
        else:
            self.tell(guard)

    def cancel(self, stored: StoredOrder) -> None:
        """Cancel what has not filled of an order."""
        if stored.works:
            self.end(stored, _S.CANCELED, "canceled by request")

    def modify(self, stored: StoredOrder, terms: OrderTerms) -> Refusal | None:
        """Change an order; a refused change leaves it as it was."""
        refusal = self._change_refusal(stored, terms)
        if refusal is not None:
            return refusal
        stored.change(text="changed by request")
        if stored.standing.left <= 0:
            self.end(stored, _S.FILLED, "changed to what has filled")
            return None
        self.tell(stored)
        self.work(stored, self.price_for(stored.order))
        return None

    def _change_refusal(self, stored: StoredOrder, terms: OrderTerms) -> Refusal | None:
        order, before = stored.order, stored.standing
        if not self.capabilities(stored.account_id).modify:
            return Refusal("UNSUPPORTED_ORDER", "orders are not changed here")
        if before.combo is not None:
            return Refusal("UNSUPPORTED_ORDER", "legs of a combo are not changed")
        after = matching.changed(order, before, terms)
        if isinstance(after, Refusal):
            return after
        more = after.quantity - before.quantity
        price = matching.expected_price(order, after, self.price_for(order))
        if more > 0 and price is not None:
            leg = leg_of(order, after.left)
            if (short := self.books.refusal(stored.account_id, leg, price)) is not None:
                return short
        stored.standing = after
        return None

    def expire(self) -> None:
        """End the DAY orders whose session is over."""
        for stored in self._journal.working():
            hours = self.market.hours.get(stored.order.instrument.instrument_type)
            if not stored.works or hours is None:
                continue
            session = session_of(hours, stored.placed_at)
            if stored.order.time_in_force is TimeInForce.DAY and (
                session is not None and session.closes_at <= self.now
            ):
                self.end(stored, _S.EXPIRED, "the session has ended")

    def tick(self, instrument_key: str, price: Decimal) -> int:
        """Move the market; how many orders it filled."""
        self._journal.set_price(instrument_key, price)
        reached = [each for each in self._journal.working() if each.key == instrument_key]
        for stored in reached:
            self.work(stored, price)
        return sum(each.standing.status is _S.FILLED for each in reached)

    def open(self, kinds: Collection[InstrumentType]) -> None:
        """Work what has waited for these markets to open."""
        for stored in self._journal.working():
            if stored.order.instrument.instrument_type in kinds:
                self.work(stored, self.price_for(stored.order))

    def working_of(self, stored: StoredOrder) -> list[StoredOrder]:
        """The working orders of its account."""
        return self._journal.working(stored.account_id)

    def save(self, stored: StoredOrder) -> None:
        """Keep how an order stands, without a word."""
        self._journal.update_order(stored)

    def tell(self, stored: StoredOrder) -> None:
        """Keep how an order stands, and say so in the stream."""
        self.save(stored)
        self.said.append((stored, self.report(stored, self.now)))

    def report(self, stored: StoredOrder, now: datetime | None = None) -> OrderReport:
        """How an order stands, with the newest revision of each fill."""
        standing = stored.standing
        executions = latest(self._journal.executions_of(stored)) if standing.fills else []
        return OrderReport(
            client_order_id=stored.order.client_order_id,
            broker_order_id=stored.broker_order_id,
            status=standing.status,
            filled_quantity=standing.filled,
            executions=tuple(executions),
            terms=standing.terms,
            text=standing.text,
            occurred_at=now or (executions[-1].occurred_at if executions else stored.placed_at),
        )
