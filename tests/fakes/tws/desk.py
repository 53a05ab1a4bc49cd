"""What becomes of placeOrder and cancelOrder: taken to the engine, changed, refused."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from brokers.mock.faults import Step
from brokers.mock.margin import Refusal
from brokers.mock.twists import PLAIN, Twist
from services.domain.accounts import PreviewLeg
from services.domain.orders import Order, OrderReport
from services.domain.words import OrderStatus
from tests.fakes.tws import answers, order_answers, rules
from tests.fakes.tws.book import WORKING, Note, Placed, state_of, terms_of
from tests.fakes.tws.combos import Combos
from tests.fakes.tws.ids import number_of
from tests.fakes.tws.order_answers import State
from tests.fakes.tws.rules import Refused, Wanted
from tests.fakes.venue import order_of

_OUTSIDE_IGNORED = (
    2109,
    "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order "
    "type and destination. PlaceOrder is now being processed.",
)


class Draft:
    """An order that has not been transmitted: nothing works until the last of its chain is."""

    def __init__(self, account: str, fields: dict[str, object], note: Note, wanted: Wanted):
        self.account = account
        self.fields = fields
        self.note = note
        self.wanted = wanted

    @property
    def order_id(self) -> int:
        """The client's number of it."""
        return self.fields["orderId"]

    def order(self) -> Order:
        """As the engine takes it."""
        return order_of(
            self.account,
            str(self.fields["orderRef"]),
            self.wanted.listing.instrument,
            self.wanted.side,
            self.wanted.quantity,
            note=self.note.dump(),
            **self.wanted.more,
        )


class Desk:
    """Orders of all clients."""

    def __init__(self, venue, gateway, memory):
        self._exchange = venue.exchange
        self._violations = venue.violations
        self._gateway = gateway
        self._book = gateway.book
        self._memory = memory
        self._drafts: dict[tuple[int, int], Draft] = {}
        self.combos = Combos(venue, gateway, memory)

    def forget(self) -> None:
        """As on the first day."""
        self._drafts = {}

    def leave(self, client_id: int) -> None:
        """What a client has not transmitted is gone with it."""
        self._drafts = {key: each for key, each in self._drafts.items() if key[0] != client_id}

    def place(self, session, fields: dict[str, object], wire: Sequence[str]) -> None:
        """A placeOrder: a question of margin, a change, or an order."""
        order_id, client_id = fields["orderId"], session.client_id
        note = Note(client_id, session.version, tuple(wire))
        try:
            account = rules.account_of(fields, self._gateway.accounts)
            fields = {**fields, "account": account}
            if fields["whatIf"]:
                self._preview(session, account, fields)
            elif (placed := self._book.find(client_id, order_id)) is not None:
                self._change(session, placed, fields, note)
            elif (client_id, order_id) not in self._drafts and order_id <= self._memory.highest(
                client_id
            ):
                raise Refused(103, "Duplicate order id")
            else:
                self._take(session, account, fields, note)
        except Refused as refusal:
            session.say(answers.error(refusal.code, refusal.sentence, order_id))

    def _take(self, session, account: str, fields: dict[str, object], note: Note) -> None:
        if fields["secType"] == "BAG":
            legs = rules.legs(fields, self._gateway.table)
            self._act(
                session,
                account,
                Step.COMBO,
                fields["orderId"],
                lambda twist: self._send_combo(account, fields, note, legs, twist),
            )
            return
        draft = Draft(account, fields, note, self._wanted(fields))
        parent = fields["parentId"]
        if parent and not self._knows(session.client_id, parent):
            raise Refused(135, "Can't find order with ID =" + str(parent))
        self._drafts[session.client_id, draft.order_id] = draft
        if fields["outsideRth"] and fields["orderType"] == "MKT":
            session.say(answers.error(*_OUTSIDE_IGNORED, draft.order_id))
        if fields["transmit"]:
            self._transmit(session, draft)

    def _send_combo(self, account: str, fields, note: Note, legs, twist: Twist) -> list[int]:
        self._memory.use(note.client_id, fields["orderId"])
        return self.combos.place(account, fields, note, legs, twist)

    def _knows(self, client_id: int, order_id: int) -> bool:
        known = self._book.find(client_id, order_id) is not None
        return known or (client_id, order_id) in self._drafts

    def _wanted(self, fields: dict[str, object]) -> Wanted:
        listing = rules.contract_of(fields, self._gateway.table)
        last = self._exchange.last_price(listing.instrument.key)
        return rules.single(fields, self._gateway.table, last.price if last else None)

    def _transmit(self, session, last: Draft) -> None:
        """The last of a chain takes the others along."""
        client_id, parent_id = session.client_id, last.fields["parentId"]
        head = self._drafts.get((client_id, parent_id or last.order_id))
        family = [head] if head is not None else []
        if parent_id:
            family += [
                each
                for (owner, _), each in sorted(self._drafts.items())
                if owner == client_id and each.fields["parentId"] == parent_id
            ]
        for each in family:
            del self._drafts[client_id, each.order_id]
        if head is None:
            self._check_parent(client_id, last)
        if head is not None and len(family) > 1:
            self._act(
                session,
                last.account,
                Step.BRACKET,
                last.order_id,
                lambda twist: self._send(family, twist),
            )
            return
        for each in family:
            self._act(
                session,
                each.account,
                Step.PLACE,
                each.order_id,
                lambda twist, each=each: self._send([each], twist),
            )

    def _check_parent(self, client_id: int, child: Draft) -> None:
        """A child that comes after its parent is an order like any other, once that has filled."""
        parent_id = child.fields["parentId"]
        state = self._state(self._book.find(client_id, parent_id))
        if state.status == "Filled":
            return
        if not state.completed_status:
            words = f"order {child.order_id}: its parent {parent_id} was transmitted without it"
            self._violations.add(f"{words}, which this fake cannot play")
        raise Refused(135, f"Can't find order with ID ={parent_id}")

    def _state(self, placed: Placed) -> State:
        return state_of(placed, self._book.reports(placed))

    def _act(self, session, account: str, step: Step, number: int, carry_out) -> None:
        self._gateway.trouble.act(session, account, step, number, carry_out)
        self._gateway.news.drain()

    def _send(self, family: Sequence[Draft], twist: Twist) -> list[int]:
        account, orders = family[0].account, [each.order() for each in family]
        for each in family:
            self._memory.use(each.note.client_id, each.order_id)
        if len(orders) == 1:
            reports = [self._exchange.place(account, orders[0], twist=twist)]
        else:
            reports = self._exchange.place_bracket(account, orders[0], orders[1:], twist=twist)
        return [self._placed(draft, report) for draft, report in zip(family, reports, strict=True)]

    def _placed(self, draft: Draft, report: OrderReport) -> int:
        placed = self._book.add(draft.note.client_id, draft.account, draft.fields)
        number = number_of(report.broker_order_id)
        self._book.link(placed, [number], [Decimal(1)])
        return number

    def _change(self, session, placed: Placed, fields: dict[str, object], note: Note) -> None:
        self._check_alive(placed)
        rules.check_change(placed.fields, fields)
        if placed.is_combo:
            wanted = rules.legs(fields, self._gateway.table)
        else:
            wanted = [self._wanted(fields)]

        def carry_out(twist: Twist) -> list[int]:
            if placed.waits:
                refusal = twist.refusal
                if refusal is None:
                    self.combos.change(placed, fields, note)
            else:
                terms = rules.terms(fields, wanted[0])
                reference = placed.reference
                answer = self._exchange.modify(placed.account, reference, terms, twist=twist)
                refusal = answer if isinstance(answer, Refusal) else None
            if refusal is not None:
                words = f"Order rejected - reason:{refusal}"
                session.say(answers.error(201, words, placed.order_id))
                self._tell(session, placed)
            return placed.numbers or [placed.perm_id]

        self._act(session, placed.account, Step.MODIFY, placed.order_id, carry_out)

    def _check_alive(self, placed: Placed) -> None:
        """Raises: Refused: the order has ended, or is one that is not changed."""
        (report,) = self._book.reports(placed)[:1] or [None]
        status = report.status if report else OrderStatus.SUBMITTED
        if status is OrderStatus.FILLED:
            raise Refused(104, "Can't modify a filled order.")
        if status not in WORKING or placed.ended_at is not None:
            raise Refused(103, "Duplicate order id")
        if placed.is_combo and not placed.waits:
            raise Refused(201, "Order rejected - reason:legs of a combo are not changed")

    def _tell(self, session, placed: Placed) -> None:
        """How an order stands, as openOrder and orderStatus."""
        reports = self._book.reports(placed)
        state = state_of(placed, reports)
        terms = terms_of(placed, reports[0]) if reports else {**placed.fields, **placed.contract}
        session.say(order_answers.open_order(placed.identity, terms, state, session.version))
        session.say(order_answers.order_status(placed.identity, state))

    def cancel(self, session, order_id: int) -> None:
        """A cancelOrder: of an own order that works, or that was not transmitted."""
        if self._drafts.pop((session.client_id, order_id), None) is not None:
            session.say(answers.error(202, "Order Canceled - reason:", order_id))
            return
        placed = self._book.find(session.client_id, order_id)
        if placed is None or not (placed.waits or self._book.reports(placed)):
            words = f"OrderId {order_id} that needs to be cancelled is not found."
            session.say(answers.error(10147, words, order_id))
            return
        state = state_of(placed, self._book.reports(placed))
        if state.completed_status:
            words = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: "
            session.say(answers.error(10148, f"{words}{state.status}.", order_id))
            return
        self._act(
            session,
            placed.account,
            Step.CANCEL,
            order_id,
            lambda twist: self._cancel(session, placed, twist),
        )

    def _cancel(self, session, placed: Placed, twist: Twist) -> list[int]:
        if twist.only_says is not None:
            self._only_say(session, placed, twist.only_says)
            if (seconds := twist.done_after_seconds) is not None:
                self._gateway.later(seconds, lambda: self._end(placed))
        elif twist is PLAIN or placed.waits:
            self._end(placed)
        else:
            self._exchange.cancel(placed.account, placed.reference, twist=twist)
        return placed.numbers or [placed.perm_id]

    def _end(self, placed: Placed) -> None:
        if placed.waits:
            self.combos.cancel(placed)
        elif placed.numbers:
            self._exchange.cancel_by_hand(placed.account, f"MOCK-{placed.numbers[0]}")

    def _only_say(self, session, placed: Placed, status: OrderStatus) -> None:
        """What is said of a cancel that has not been done."""
        state = state_of(placed, self._book.reports(placed))
        gone = status is OrderStatus.CANCELED
        told = state._replace(status="Cancelled" if gone else "PendingCancel")
        session.say(order_answers.order_status(placed.identity, told))
        if gone:
            session.say(answers.error(202, "Order Canceled - reason:", placed.order_id))

    def cancel_all(self) -> None:
        """Every order of the login, whoever's."""
        for placed in list(self._book.waiting()):
            self._end(placed)
        for account in self._gateway.accounts:
            for number in self._book.shown(account, open_only=True):
                self._exchange.cancel_by_hand(account, f"MOCK-{number}")
        self._gateway.news.drain()

    def _preview(self, session, account: str, fields: dict[str, object]) -> None:
        if fields["secType"] == "BAG":
            wanted = rules.legs(fields, self._gateway.table)
        else:
            wanted = [self._wanted(fields)]
        legs = [
            PreviewLeg(instrument=each.listing.instrument, side=each.side, quantity=each.quantity)
            for each in wanted
        ]

        def answer() -> None:
            change = self._exchange.preview(account, legs)
            if isinstance(change, Refusal):
                words = f"Order rejected - reason:{change}"
                session.say(answers.error(201, words, fields["orderId"]))
                return
            now = self._exchange.state(account)
            self._say_preview(session, fields, wanted, _margins(now, change), now.currency)

        self._gateway.trouble.ask(session, [account], fields["orderId"], answer)

    def _say_preview(self, session, fields, wanted, margins, currency: str) -> None:
        contract = wanted[0].listing.described(str(fields["exchange"]) or None)
        told = fields if fields["secType"] == "BAG" else {**fields, **contract}
        fee = sum((self._gateway.fee(each.quantity) for each in wanted), Decimal(0))
        state = State("PreSubmitted", margins=margins, commission=fee, currency=currency)
        identity = order_answers.Identity(fields["orderId"], session.client_id, 0)
        session.say(order_answers.open_order(identity, told, state, session.version))


def _margins(now, change) -> tuple[Decimal, ...]:
    """Before, change and after, each of initial margin, maintenance margin and equity."""
    before = (now.initial_margin, now.maintenance_margin, now.equity)
    by = (change.initial_margin, change.maintenance_margin, Decimal(0))
    return (*before, *by, *(was + more for was, more in zip(before, by, strict=True)))
