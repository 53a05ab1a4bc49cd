"""Stores what brokers answer: figures, positions, marks and curves in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pymongo import ASCENDING, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from brokers.broker import AccountState, BrokerPosition
from services.account_data import curves
from services.account_data.accepting import Accepted, Answer, Known, accept, needs_fills
from services.account_data.curves import Look
from services.account_data.fund import fund_of, paid_into
from services.account_data.held import (
    HeldPosition,
    balances_of,
    closed,
    held,
    marks_of,
    realized_pnl,
    unrealized_pnl,
)
from services.account_data.payments import unexplained_cash
from services.common.incidents import raise_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.accounts import AccountSnapshot
from services.domain.capital import CapitalFlow
from services.domain.errors import TransientError
from services.domain.orders import Execution
from services.domain.risk import EquityJump, EquityMarks, Fund, RiskLock, scope_key
from services.domain.values import ZERO
from services.domain.words import AccountType, ActiveStatus, FlowStatus, LockRule, Scope

M = TypeVar("M", bound=BaseModel)
_KNOWN = ("marks", "currency", "equity", "as_of", "jump", "flow_total", "unexplained_cash")
_POSITIONS = "account_positions"


class Told(NamedTuple):
    """What a broker told in one look.

    Attributes:
        positions: None where it did not tell them; `trouble` says why.
    """

    state: AccountState
    positions: Sequence[BrokerPosition] | None = None
    trouble: str = ""


def read(model: type[M], document: Document | None, whose: str) -> M | None:
    """A stored value, None where there is none. Raises: TransientError where it is another."""
    if document is None:
        return None
    try:
        return from_document(model, document)
    except ValidationError as error:
        raise TransientError(
            f"what is stored of {whose} is no {model.__name__}: {error}"
        ) from error


def type_of(row: Document) -> str:
    """Which fund an account belongs to."""
    return str(row.get("account_type", AccountType.PAPER))


def snapshot_of(row: Document) -> AccountSnapshot | None:
    """An account of the fund; None where it cannot be read, as Cerebro could not."""
    try:
        return from_document(AccountSnapshot, {"account_id": row["_id"], **row})
    except ValidationError:
        return None


def lock_of(account_id: str, jump: EquityJump) -> RiskLock:
    """What stops the entries of an account whose equity is doubted."""
    return RiskLock(
        scope=Scope.ACCOUNT,
        scope_id=account_id,
        rule=LockRule.EQUITY_JUMP,
        sentence=jump.sentence,
        locked_at=jump.seen_at,
    )


def lock_key(account_id: str) -> str:
    """Key of that lock."""
    return f"{LockRule.EQUITY_JUMP}|{scope_key(Scope.ACCOUNT, account_id)}"


def moved_by_fills(
    store: Store, account_id: str, session: ClientSession | None = None
) -> dict[str, Decimal]:
    """What fills and commissions have moved in cash, by currency."""
    found = store["cash_flows"].find({"account_id": account_id}, session=session)
    return {row["currency"]: row["fills"] - row["commissions"] for row in found}


class States:
    """Writes answers of brokers, and the funds that follow from them.

    Args:
        store: the database.
        fund_currency: what the sum of all accounts of a type is counted in.
        jump_ratio: how much of a change of equity may stay unexplained.
    """

    def __init__(self, store: Store, *, fund_currency: str, jump_ratio: Decimal) -> None:
        self._store = store
        self._fund_currency = fund_currency
        self._jump_ratio = jump_ratio

    def save(self, told: Told, *, recorded_at: datetime) -> EquityJump | None:
        """Write one answer and everything that follows from it together, ending trouble.

        `as_of` is the broker's time, but never later than our own: figures from a broker whose
        clock is ahead must not stay fresh for longer than others. Marks in another currency than
        the answer's are forgotten.

        Returns: why a person must look at it; None = there is no doubt.

        Raises:
            TransientError: the database went away, or what is stored cannot be read.
        """
        jump = self._store.transaction(lambda session: self._save(told, recorded_at, session))
        if jump is not None:
            raise_incident(
                self._store,
                kind="EQUITY_JUMP",
                key=told.state.account_id,
                sentence=jump.sentence,
                facts={"account_id": told.state.account_id, **to_document(jump)},
            )
        return jump

    def _save(self, told: Told, recorded_at: datetime, session: ClientSession) -> EquityJump | None:
        # In a transaction, so that a person's reset of the marks in between is not undone.
        state, accounts = told.state, self._store["trading_accounts"]
        account_id = state.account_id
        fields = dict.fromkeys(_KNOWN, 1)
        row = accounts.find_one({"_id": account_id}, fields, session=session)
        if row is None:
            return None
        as_of = min(state.as_of, recorded_at)
        known = self._known(row, state, session)
        answer = self._answer(told, as_of, session)
        fills = self._fills(known, answer, session)
        accepted = accept(known, answer, fills, self._jump_ratio)
        said: dict[str, Any] = state.model_dump(exclude={"account_id", "as_of"})
        said |= {
            "as_of": as_of,
            "recorded_at": recorded_at,
            "poll_error": None,
            "marks": accepted.marks and to_document(accepted.marks),
            "jump": accepted.jump and to_document(accepted.jump),
            "flow_total": known.flow_total + accepted.flow,
            "balances": {name: to_document(each) for name, each in balances_of(state).items()},
            "unexplained_cash": answer.cash,
            "realized_pnl": realized_pnl(state),
        }
        if answer.positions is not None:
            said["unrealized_pnl"] = unrealized_pnl(answer.positions)
        accounts.update_one({"_id": account_id}, {"$set": said}, session=session)
        self._keep_positions(told, answer, session)
        if answer.positions is not None and _marks_are_due(known, answer, as_of):
            marks = marks_of(known.positions, answer.positions, fills)
            curves.keep_marks(self._store, account_id, marks, as_of, session)
        self._keep_flows(accepted, session)
        self._keep_curve(known, answer, accepted, state.currency, session)
        self._keep_lock(row, accepted, session)
        return accepted.jump

    def _known(self, row: Document, state: AccountState, session: ClientSession) -> Known:
        account_id = state.account_id
        same = row.get("currency") == state.currency
        stored = self._store[_POSITIONS].find_one({"_id": account_id}, session=session) or {}
        query = {"status": FlowStatus.PENDING, "account_id": account_id}
        pending = self._store["capital_flows"].find(query, session=session)
        return Known(
            account_id,
            marks=read(EquityMarks, row.get("marks"), account_id) if same else None,
            equity=row.get("equity"),
            as_of=row.get("as_of"),
            jump=read(EquityJump, row.get("jump"), account_id) if same else None,
            flow_total=row.get("flow_total", ZERO),
            positions=[from_document(HeldPosition, each) for each in stored.get("positions", [])],
            pending=[
                from_document(CapitalFlow, each) for each in pending.sort("recorded_at", ASCENDING)
            ],
            cash=row.get("unexplained_cash") if same else None,
        )

    def _answer(self, told: Told, as_of: datetime, session: ClientSession) -> Answer:
        state = told.state
        moved = moved_by_fills(self._store, state.account_id, session)
        return Answer(
            state.equity,
            as_of,
            None
            if told.positions is None
            else held(told.positions, state.currency, state.fx_rates),
            unexplained_cash(state.cash, state.currency, moved, state.fx_rates),
        )

    def _fills(self, known: Known, answer: Answer, session: ClientSession) -> Sequence[Execution]:
        """Fills since the look before, of what was or is held, where they are asked for."""
        after = answer.positions or ()
        if known.as_of is None or not (
            needs_fills(known, answer, self._jump_ratio)
            or (answer.positions is not None and closed(known.positions, after))
        ):
            return ()
        named = {each.instrument.key: each.instrument for each in (*known.positions, *after)}
        query = {"account_id": known.account_id, "occurred_at": {"$gt": known.as_of}}
        rows = self._store["execution_confirmations"].find(query, session=session)
        return [
            from_document(Execution, row | {"instrument": named[row["instrument_key"]]})
            for row in rows.sort("occurred_at", ASCENDING)
            if row.get("instrument_key") in named
            and row.get("execution_id")
            and not row.get("void")
        ]

    def _keep_positions(self, told: Told, answer: Answer, session: ClientSession) -> None:
        row: dict[str, Any] = {"error": told.trouble or None}
        if answer.positions is not None:
            row |= {
                "positions": [to_document(each) for each in answer.positions],
                "as_of": answer.at,
            }
        self._store[_POSITIONS].update_one(
            {"_id": told.state.account_id}, {"$set": row}, upsert=True, session=session
        )

    def _keep_flows(self, accepted: Accepted, session: ClientSession) -> None:
        if accepted.flows:
            self._store["capital_flows"].bulk_write(
                [
                    UpdateOne({"_id": each.flow_id}, {"$set": to_document(each)})
                    for each in accepted.flows
                ],
                session=session,
            )

    def _keep_curve(
        self,
        known: Known,
        answer: Answer,
        accepted: Accepted,
        currency: str,
        session: ClientSession,
    ) -> None:
        younger = known.as_of is None or answer.at >= known.as_of
        if accepted.jump is not None or accepted.marks is None or not younger:
            return
        more = {"cash": answer.cash}
        look = Look(answer.at, answer.equity, currency, accepted.marks, accepted.flow, more)
        curves.keep(self._store, curves.ACCOUNTS, known.account_id, look, session)

    def _keep_lock(self, row: Document, accepted: Accepted, session: ClientSession) -> None:
        """With each look, so that a lock that was lost comes back.

        One of figures in another currency goes with them: nobody could confirm it any more.
        """
        if accepted.jump is None:
            if row.get("jump") is not None:
                key = lock_key(row["_id"])
                self._store["risk_locks"].delete_one({"_id": key}, session=session)
            return
        lock = lock_of(row["_id"], accepted.jump)
        self._store["risk_locks"].replace_one(
            {"_id": lock.key}, {"_id": lock.key, **to_document(lock)}, upsert=True, session=session
        )

    def keep_fund(self, account_id: str, *, now: datetime) -> None:
        """Bring the fund that an account belongs to up to what is stored of all its accounts.

        In a transaction: of two pollers at once the second starts over, on what the first wrote.

        Raises:
            TransientError: the database went away, or the stored fund cannot be read.
        """

        def work(session: ClientSession) -> None:
            self._keep_fund(account_id, now, session)

        try:
            self._store.transaction(work)
        except DuplicateKeyError:  # another poller made the first one meanwhile
            self._store.transaction(work)

    def _keep_fund(self, account_id: str, now: datetime, session: ClientSession) -> None:
        rows = list(self._store["trading_accounts"].find({}, session=session))
        account_type = next((type_of(row) for row in rows if row["_id"] == account_id), None)
        if account_type is None:
            return
        members = {
            row["_id"]: (row, snapshot_of(row)) for row in rows if type_of(row) == account_type
        }
        stored = self._store["funds"].find_one({"_id": account_type}, session=session)
        former = read(Fund, stored, f"the {account_type} fund")
        accounts = [account for _, account in members.values() if account]
        fund = fund_of(
            accounts,
            unreadable=[
                name
                for name, (row, account) in members.items()
                if account is None and row.get("status") != ActiveStatus.INACTIVE
            ],
            currency=self._fund_currency,
            former=former,
            now=now,
        )
        self._store["funds"].update_one(
            {"_id": account_type}, {"$set": to_document(fund)}, upsert=True, session=session
        )
        if fund.equity is not None and fund.marks is not None:
            names = set(fund.account_ids)
            more = {
                "seen": {
                    each.account_id: _believed_at(each)
                    for each in accounts
                    if each.account_id in names
                }
            }
            flow = paid_into(former, accounts, fund.currency)
            look = Look(now, fund.marks.last, fund.currency, fund.marks, flow, more)
            curves.keep(self._store, curves.FUNDS, account_type, look, session)


def _believed_at(account: AccountSnapshot) -> datetime | None:
    """Of the figures that the marks of the fund see."""
    return account.as_of if account.jump is None else account.jump.before_at


def _marks_are_due(known: Known, answer: Answer, as_of: datetime) -> bool:
    """Once a minute, and whenever something else is held than before."""
    before, after = known.positions, answer.positions or ()
    if known.as_of is None or f"{known.as_of:%Y%m%d%H%M}" != f"{as_of:%Y%m%d%H%M}":
        return True
    return {each.instrument.key for each in before} != {each.instrument.key for each in after}
