"""What a person says of money: deposits, withdrawals, and what a doubted equity was.

Each change, what follows from it for marks and curves, and its line in the audit log are one
transaction. The same request again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.account_data import curves
from services.account_data.payments import Evidence, Point, came_at, seen, settled, shifted, without
from services.account_data.recording import (
    Payment,
    Signed,
    check_believed,
    check_explains,
    check_size,
    check_time,
    flow_of,
    not_after,
    repeated,
    reversal,
    the_jump,
)
from services.account_data.rewriting import Rewriting
from services.account_data.states import lock_key, read
from services.common.audit import audit
from services.common.clock import utc_now
from services.common.incidents import clear_incident
from services.common.scopes import check_signed, check_storable
from services.common.store import Document, Store, from_document, to_document
from services.domain.accounts import AccountSnapshot
from services.domain.capital import CapitalFlow
from services.domain.errors import Declined
from services.domain.marks import marked
from services.domain.risk import EquityJump
from services.domain.values import ZERO
from services.domain.words import FlowStatus, JumpMeaning

#: People name days rather than minutes: the money may have come so long before.
_BEFORE: Final = timedelta(days=1)
_FLOWS: Final = "capital_flows"
_ACCOUNTS: Final = "trading_accounts"


class Capital:
    """Writes what people say of money; every method raises Declined and TransientError.

    Args:
        store: the database.
        fund_currency: of the funds.
        jump_ratio: how much of a change of equity may stay unexplained.
    """

    def __init__(
        self, store: Store, *, fund_currency: str = "USD", jump_ratio: Decimal = Decimal("0.1")
    ) -> None:
        self._store = store
        self._jump_ratio = jump_ratio
        self._rewriting = Rewriting(store, fund_currency=fund_currency)

    def flows(self, account_id: str) -> list[CapitalFlow]:
        """All payments of an account, the newest first."""
        self._row(account_id)
        rows = self._store[_FLOWS].find({"account_id": account_id})
        return [from_document(CapitalFlow, row) for row in rows.sort("effective_at", DESCENDING)]

    def record(self, account_id: str, payment: Payment, signed: Signed) -> CapitalFlow:
        """Enter a payment; where the figures have it already, marks are made anew without it."""
        check_signed(*signed)
        check_storable(payment)
        now = utc_now()

        def work(session: ClientSession) -> CapitalFlow:
            row = self._row(account_id, session)
            account = _snapshot(row)
            flow = flow_of(account, payment, signed, now)
            if (before := self._flow(flow.flow_id, session)) is not None:
                return repeated(before, flow, payment)
            check_believed(account)
            check_size(account, flow, confirmed=payment.confirm_large)
            placed = self._placed(row, account, flow, payment.shown, session)
            self._insert(placed, session)
            self._count(placed, placed.account_amount, session)
            if (at := placed.settled_at) is not None:
                waiting = self._waiting(account_id, session)
                older = [each for each in waiting if each.recorded_at < at]
                self._shift(older, [placed], session)
            self._audit("CAPITAL_FLOW_RECORDED", to_document(placed), signed, session)
            return placed

        return self._once(work)

    def reverse(
        self, account_id: str, flow_id: str, signed: Signed, *, reversal_id: str
    ) -> CapitalFlow:
        """Take a payment back that never was; both entries stay, and neither counts.

        Returns: the entry that takes it back.
        """
        check_signed(*signed)
        now = utc_now()

        def work(session: ClientSession) -> CapitalFlow:
            flow = self._flow_of(account_id, flow_id, session)
            back = self._flow(reversal_id, session)
            if back is not None and back.reverses == flow_id:
                return back
            if flow.status is FlowStatus.REVERSED:
                other = flow.reversed_by or flow.reverses
                raise Declined("FLOW_REVERSED", f"{flow_id} does not count already, by {other}")
            if back is not None:
                raise Declined("FLOW_ID_REUSED", f"there is a flow {reversal_id!r} already")
            back = reversal(flow, reversal_id, signed, now)
            self._insert(back, session)
            gone = {"status": FlowStatus.REVERSED, "reversed_by": reversal_id}
            self._update(flow.model_copy(update=gone), session)
            self._count(flow, -flow.account_amount, session)
            self._audit("CAPITAL_FLOW_REVERSED", to_document(back), signed, session)
            return back

        return self._once(work)

    def settle(self, account_id: str, flow_id: str, signed: Signed, *, at: datetime) -> CapitalFlow:
        """Say that a payment has come, at a time, although the broker's cash does not show it."""
        check_signed(*signed)
        check_time(at, utc_now(), field="at")

        def work(session: ClientSession) -> CapitalFlow:
            account = _snapshot(self._row(account_id, session))
            flow = self._flow_of(account_id, flow_id, session)
            if flow.status is not FlowStatus.PENDING:
                raise Declined("FLOW_NOT_PENDING", f"flow {flow_id} is {flow.status} already")
            check_believed(account)
            flow = settled(flow, not_after(at, account))
            self._update(flow, session)
            self._count(flow, flow.account_amount, session)
            self._audit("CAPITAL_FLOW_SETTLED", to_document(flow), signed, session)
            return flow

        return self._store.transaction(work)

    def confirm(
        self, account_id: str, jump_id: str, signed: Signed, *, payment: Payment | None = None
    ) -> str:
        """Say what a doubted equity was; the marks follow it, and entries go again.

        Args:
            account_id: whose.
            jump_id: which, as it was shown: another figure since then is another jump.
            signed: who says so.
            payment: what was paid, which must explain it; None = it is a gain or a loss.

        Returns: what is believed, in a sentence.
        """
        check_signed(*signed)
        if payment is not None:
            check_storable(payment)
        now = utc_now()

        def work(session: ClientSession) -> str:
            row = self._row(account_id, session)
            account = _snapshot(row)
            jump = the_jump(account, jump_id)
            flow = None
            if payment is not None:
                flow = settled(flow_of(account, payment, signed, now), account.as_of or now)
            come = self._come_meanwhile(row, flow, session)
            if flow is not None:
                self._enter_explaining(account, jump, [flow, *come], session)
            return self._believe(row, jump, (flow, come), signed, session)

        sentence = self._store.transaction(work)
        clear_incident(self._store, kind="EQUITY_JUMP", key=account_id)
        return sentence

    def _once(self, work: Callable[[ClientSession], CapitalFlow]) -> CapitalFlow:
        """Of two at once with the same id the second finds what the first has entered."""
        try:
            return self._store.transaction(work)
        except DuplicateKeyError:
            return self._store.transaction(work)

    def _come_meanwhile(
        self, row: Document, flow: CapitalFlow | None, session: ClientSession
    ) -> list[CapitalFlow]:
        """Payments that were waited for and that cash has got while the equity was doubted."""
        cash = row.get("unexplained_cash")
        if cash is not None and flow is not None:
            cash -= flow.account_amount
        waiting = self._waiting(row["_id"], session)
        come = [settled(each, row["as_of"]) for each in seen(waiting, Evidence(cash))]
        for each in come:
            self._update(each, session)
        self._shift(waiting, come if flow is None else [flow, *come], session)
        return come

    def _enter_explaining(
        self,
        account: AccountSnapshot,
        jump: EquityJump,
        flows: Sequence[CapitalFlow],
        session: ClientSession,
    ) -> None:
        """The first of the payments is new, and with the others must explain the jump."""
        flow, paid = flows[0], sum((each.account_amount for each in flows), ZERO)
        if self._flow(flow.flow_id, session) is not None:
            raise Declined("FLOW_ID_REUSED", f"there is a flow {flow.flow_id!r} already")
        left = (account.equity or ZERO) - jump.before - jump.explained - paid
        check_explains(jump, flow, left, self._jump_ratio)
        self._insert(flow, session)

    def _shift(
        self,
        waiting: Sequence[CapitalFlow],
        come: Sequence[CapitalFlow],
        session: ClientSession,
    ) -> None:
        """Payments that still wait do so from the cash that the others have left."""
        names = {each.flow_id for each in come}
        for each in waiting:
            if each.flow_id not in names:
                self._update(shifted(each, come), session)

    def _believe(
        self,
        row: Document,
        jump: EquityJump,
        paid_by: tuple[CapitalFlow | None, Sequence[CapitalFlow]],
        signed: Signed,
        session: ClientSession,
    ) -> str:
        (flow, come), account = paid_by, _snapshot(row)
        account_id, equity, as_of = account.account_id, account.equity, account.as_of
        if equity is None or as_of is None:
            raise Declined("NO_JUMP", f"the equity of account {account_id} is not known")
        flows = [*([flow] if flow else []), *come]
        paid = sum((each.account_amount for each in flows), ZERO)
        marks = marked(account.marks, equity, as_of, flow=paid)
        changes = {"jump": None, "marks": to_document(marks)}
        self._store[_ACCOUNTS].update_one(
            {"_id": account_id},
            {"$set": {**changes, "flow_total": account.flow_total + paid}},
            session=session,
        )
        more = {"cash": row.get("unexplained_cash")}
        look = curves.Look(as_of, equity, account.currency, marks, paid, more)
        curves.keep(self._store, curves.ACCOUNTS, account_id, look, session)
        key = lock_key(account_id)
        self._store["risk_locks"].delete_one({"_id": key}, session=session)
        meaning = JumpMeaning.FLOW if flow else JumpMeaning.GAIN_OR_LOSS
        facts = {
            "account_id": account_id,
            "jump": to_document(jump),
            "meaning": meaning,
            "equity": equity,
            "flow": to_document(flow) if flow else None,
            "come": [each.flow_id for each in come],
        }
        self._audit("EQUITY_CONFIRMED", facts, signed, session)
        was = f"{flow.account_amount:f} was paid" if flow else "it is a gain or a loss"
        also = "".join(f", and {each.flow_id} has come ({each.account_amount:f})" for each in come)
        return f"the equity of {account_id} is {equity:f} {account.currency}: {was}{also}"

    def _placed(
        self,
        row: Document,
        account: AccountSnapshot,
        flow: CapitalFlow,
        shown: bool | None,
        session: ClientSession,
    ) -> CapitalFlow:
        """A new payment, with when the figures first had it, or from where it is waited for."""
        cash = row.get("unexplained_cash")
        waits = flow.model_copy(update={"cash_before": cash})
        if account.as_of is None or shown is False:
            return waits
        if shown:
            return settled(flow, not_after(flow.effective_at, account))
        since = flow.effective_at - _BEFORE
        rows = curves.points_since(self._store, curves.ACCOUNTS, account.account_id, since, session)
        points = [Point(each["at"], each.get("cash")) for each in rows]
        points.append(Point(account.as_of, cash))
        query = {"account_id": account.account_id, "status": FlowStatus.SETTLED}
        known = self._store[_FLOWS].find(query, session=session)
        apart = without(points, [from_document(CapitalFlow, each) for each in known])
        number = came_at(flow.account_amount, apart)
        return waits if number is None else settled(flow, points[number].at)

    def _count(self, flow: CapitalFlow, amount: Decimal, session: ClientSession) -> None:
        """Marks and curves as if it had been known when the money came."""
        at = flow.settled_at
        if at is None:
            return
        curves.add_flow(self._store, curves.ACCOUNTS, flow.account_id, at, amount, session)
        self._store[_ACCOUNTS].update_one(
            {"_id": flow.account_id}, {"$inc": {"flow_total": amount}}, session=session
        )
        self._rewriting.account(flow.account_id, at, session)
        self._rewriting.fund_of(flow.account_id, at, amount, session)

    def _row(self, account_id: str, session: ClientSession | None = None) -> Document:
        row = self._store[_ACCOUNTS].find_one({"_id": account_id}, session=session)
        if row is None:
            raise Declined("UNKNOWN_ACCOUNT", f"there is no account named {account_id!r}")
        return row

    def _flow(self, flow_id: str, session: ClientSession) -> CapitalFlow | None:
        row = self._store[_FLOWS].find_one({"_id": flow_id}, session=session)
        return read(CapitalFlow, row, f"flow {flow_id}")

    def _flow_of(self, account_id: str, flow_id: str, session: ClientSession) -> CapitalFlow:
        self._row(account_id, session)
        flow = self._flow(flow_id, session)
        if flow is None or flow.account_id != account_id:
            raise Declined("UNKNOWN_FLOW", f"account {account_id} has no flow {flow_id!r}")
        return flow

    def _waiting(self, account_id: str, session: ClientSession) -> list[CapitalFlow]:
        query = {"account_id": account_id, "status": FlowStatus.PENDING}
        rows = self._store[_FLOWS].find(query, session=session).sort("recorded_at", ASCENDING)
        return [from_document(CapitalFlow, row) for row in rows]

    def _insert(self, flow: CapitalFlow, session: ClientSession) -> None:
        row = {"_id": flow.flow_id, **to_document(flow)}
        self._store[_FLOWS].insert_one(row, session=session)

    def _update(self, flow: CapitalFlow, session: ClientSession) -> None:
        self._store[_FLOWS].update_one(
            {"_id": flow.flow_id}, {"$set": to_document(flow)}, session=session
        )

    def _audit(
        self, what: str, facts: dict[str, Any], signed: Signed, session: ClientSession
    ) -> None:
        told = {**facts, "reason": signed.reason.strip()}
        by = signed.by.strip()
        audit(self._store, what, service="operator", by=by, facts=told, session=session)


def _snapshot(row: Document) -> AccountSnapshot:
    return from_document(AccountSnapshot, {"account_id": row["_id"], **row})
