"""Marks as they would be, had it been known what was paid and when: made anew from stored looks.

What was entered late, or wrongly, has moved marks: a deposit looked like a gain. Looks are kept for
two weeks, each with the marks of its moment; from the last look before all that was entered late,
everything is gone through once more. Marks of before that time stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.account_data import curves
from services.account_data.curves import Curve
from services.account_data.states import read, snapshot_of, type_of
from services.common.store import Document, Store, from_document, to_document
from services.domain.capital import CapitalFlow
from services.domain.marks import Seen, replayed
from services.domain.rates import rate_to
from services.domain.risk import EquityMarks, Fund
from services.domain.values import ZERO
from services.domain.words import FlowStatus


class _Payment(NamedTuple):
    """One payment that the figures of an account have had since a time.

    Attributes:
        amount: in the currency of the marks; 0 of what was taken back.
    """

    account_id: str
    at: datetime
    amount: Decimal


class _Owner(NamedTuple):
    """Whose marks."""

    curve: Curve
    key: str
    currency: str | None


class Rewriting:
    """Writes marks anew, in a transaction of whoever calls.

    Args:
        store: the database.
        fund_currency: of the funds.
    """

    def __init__(self, store: Store, *, fund_currency: str) -> None:
        self._store = store
        self._fund_currency = fund_currency

    def account(self, account_id: str, since: datetime, session: ClientSession) -> None:
        """The marks of an account, where a look before `since` is kept."""
        row = self._store["trading_accounts"].find_one({"_id": account_id}, session=session) or {}
        payments = self._payments({account_id: Decimal(1)}, session)
        owner = _Owner(curves.ACCOUNTS, account_id, row.get("currency"))
        marks = self._made_anew(owner, payments, since, session)
        if marks is not None:
            self._store["trading_accounts"].update_one(
                {"_id": account_id}, {"$set": {"marks": to_document(marks)}}, session=session
            )

    def fund_of(
        self, account_id: str, since: datetime, amount: Decimal, session: ClientSession
    ) -> None:
        """The marks of the fund of an account that `amount` was paid into, as its flows tell."""
        rows = list(self._store["trading_accounts"].find({}, session=session))
        key = next(type_of(row) for row in rows if row["_id"] == account_id)
        stored = self._store["funds"].find_one({"_id": key}, session=session)
        fund = read(Fund, stored, f"the {key} fund")
        if fund is None or fund.marks is None:
            return
        accounts = [each for row in rows if type_of(row) == key and (each := snapshot_of(row))]
        found = {each.account_id: rate_to(fund.currency, each, accounts) for each in accounts}
        rates = {name: rate for name, rate in found.items() if rate is not None}
        payments = self._payments(rates, session)
        paid = amount * rates.get(account_id, ZERO)
        curves.add_flow(self._store, curves.FUNDS, key, since, paid, session)
        owner = _Owner(curves.FUNDS, key, fund.currency)
        marks = self._made_anew(owner, payments, since, session) or fund.marks
        totals = dict(fund.flow_totals)
        if account_id in totals:
            totals[account_id] += amount
        changes = {"marks": to_document(marks), "flow_totals": totals}
        self._store["funds"].update_one({"_id": key}, {"$set": changes}, session=session)

    def _payments(self, rates: Mapping[str, Decimal], session: ClientSession) -> list[_Payment]:
        query = {"account_id": {"$in": list(rates)}, "settled_at": {"$ne": None}}
        rows = self._store["capital_flows"].find(query, session=session)
        found = []
        for flow in (from_document(CapitalFlow, row) for row in rows):
            counts = flow.status is FlowStatus.SETTLED
            amount = flow.account_amount * rates[flow.account_id] if counts else ZERO
            if flow.settled_at is not None:
                found.append(_Payment(flow.account_id, flow.settled_at, amount))
        return found

    def _made_anew(
        self,
        owner: _Owner,
        payments: Sequence[_Payment],
        since: datetime,
        session: ClientSession,
    ) -> EquityMarks | None:
        """None where no look is kept that begins it."""
        kept = curves.points_since(self._store, owner.curve, owner.key, None, session)
        oldest = next((each["at"] for each in kept), since)
        if oldest >= since:
            return None
        began = min([since, *(each.at for each in payments if each.at > oldest)])
        first = max(number for number, each in enumerate(kept) if each["at"] < began)
        looks = kept[first:]
        if any(each["currency"] != owner.currency for each in looks):
            return None
        resets = self._resets(owner.key, looks[0]["at"], session)
        marks = from_document(EquityMarks, looks[0]["marks"])
        anew = [marks, *replayed(marks, _seen(owner, looks, payments, resets))]
        curves.keep_starts(self._store, owner.curve, owner.key, anew, session)
        return anew[-1]

    def _resets(self, key: str, since: datetime, session: ClientSession) -> list[datetime]:
        """When a person accepted a loss that was counted on these marks."""
        query = {"what": "LOCK_CLEARED", "recorded_at": {"$gte": since}}
        rows = self._store["audit_log"].find(query, session=session)
        return [row["recorded_at"] for row in rows if key in (row["facts"].get("equity") or {})]


def _seen(
    owner: _Owner,
    looks: Sequence[Document],
    payments: Sequence[_Payment],
    resets: Sequence[datetime],
) -> Iterator[Seen]:
    for before, look in pairwise(looks):
        # Of a fund: how old each account's figures were when they were summed up.
        first, last = (each.get("seen") or {owner.key: each["at"]} for each in (before, look))
        paid = [
            each.amount
            for each in payments
            if each.account_id in first
            and each.account_id in last
            and first[each.account_id] < each.at <= last[each.account_id]
        ]
        yield Seen(
            look["at"],
            look["marks"]["last"],
            flow=sum(paid, ZERO),
            accepted=any(before["at"] < at <= look["at"] for at in resets),
            rebased=first.keys() != last.keys(),
        )
