"""All queries of account data."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from brokers.broker import AccountState, MarginQuote, Quote
from services.account_data.fund import fund_of
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.accounts import (
    AccountSnapshot,
    MarginPreview,
    PreviewLeg,
    market_price_id,
)
from services.domain.errors import TransientError
from services.domain.instruments import Instrument
from services.domain.marks import marked
from services.domain.risk import EquityMarks
from services.domain.words import AccountType

_UNREACHABLE = "ACCOUNT_UNREACHABLE"
_TRIES = 5


class Account(NamedTuple):
    """What must be known of an account to ask its broker."""

    account_id: str
    broker: str
    account_type: AccountType = AccountType.PAPER


def _marks_of(row: Document, equity: Decimal, now: datetime) -> Document:
    """The fields that keep an equity's marks, one look later."""
    marks = from_document(EquityMarks, row["marks"]) if row.get("marks") else None
    version = row.get("marks_version") or 0
    return {"marks": to_document(marked(marks, equity, now)), "marks_version": version + 1}


class AccountStore:
    """Reads the list of accounts, writes what their brokers say."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def active_accounts(self) -> list[Account]:
        """Accounts to ask, as the operator has them now."""
        fields = {"broker": 1, "account_type": 1}
        rows = self._store["trading_accounts"].find({"status": "ACTIVE"}, fields)
        return [
            Account(
                row["_id"], str(row.get("broker")), AccountType(row.get("account_type", "PAPER"))
            )
            for row in rows
        ]

    def save_state(self, state: AccountState, *, recorded_at: datetime) -> None:
        """Write all amounts of one answer together, with their marks, and end the present trouble.

        `as_of` is the broker's time, but never later than our own: figures from a broker whose
        clock is ahead must not stay fresh for longer than others.

        Raises: TransientError while the marks are changed by others at the same time.
        """
        amounts = state.model_dump(exclude={"account_id", "as_of"})
        times = {"as_of": min(state.as_of, recorded_at), "recorded_at": recorded_at}
        accounts = self._store["trading_accounts"]
        for _ in range(_TRIES):
            row = accounts.find_one({"_id": state.account_id}, {"marks": 1, "marks_version": 1})
            if row is None:
                return
            marks = _marks_of(row, state.equity, recorded_at)
            changes = {**amounts, **times, **marks, "poll_error": None}
            as_read = {"_id": state.account_id, "marks_version": row.get("marks_version")}
            if accounts.update_one(as_read, {"$set": changes}).matched_count:
                return
        raise TransientError(f"the marks of {state.account_id} are changed by somebody else")

    def save_fund(self, account_type: AccountType, *, currency: str, now: datetime) -> None:
        """Sum up all active accounts of a type again, and mark the fund's equity.

        Raises: TransientError while others do the same.
        """
        funds = self._store["funds"]
        for _ in range(_TRIES):
            row = funds.find_one({"_id": account_type})
            rows = self._store["trading_accounts"].find(
                {"status": "ACTIVE", "account_type": account_type}
            )
            snapshots = [from_document(AccountSnapshot, each) for each in rows]
            fund = fund_of(sorted(snapshots, key=lambda each: each.account_id), currency)
            kept = row or {}
            # In another currency, or after one account more or less, nothing was lost or won.
            same = kept.get("currency") == currency and (
                list(kept.get("account_ids", ())) == list(fund.account_ids)
            )
            if fund.equity is not None:
                marks = _marks_of(kept if same else {}, fund.equity, now)
            else:
                marks = {"marks": kept.get("marks")}
            version = kept.get("marks_version", 0)
            document = {**to_document(fund), **marks, "marks_version": version + 1}
            if row is None:
                try:
                    funds.insert_one({"_id": account_type, **document})
                except DuplicateKeyError:
                    continue
                return
            as_read = {"_id": account_type, "marks_version": version}
            if funds.replace_one(as_read, document).matched_count:
                return
        raise TransientError("the fund is summed up by somebody else")

    def save_failure(self, account_id: str, sentence: str, *, at: datetime) -> None:
        """Note that the broker did not answer; amounts and as_of are left as they are."""
        accounts = self._store["trading_accounts"]
        error = {"sentence": sentence, "since": at, "last_at": at}
        first = accounts.update_one(
            {"_id": account_id, "poll_error": None}, {"$set": {"poll_error": error}}
        )
        if not first.matched_count:
            accounts.update_one(
                {"_id": account_id},
                {"$set": {"poll_error.sentence": sentence, "poll_error.last_at": at}},
            )

    def raise_unreachable(self, account_id: str, sentence: str, *, failures: int) -> None:
        """Show a person that an account has not answered several times in a row."""
        raise_incident(
            self._store,
            kind=_UNREACHABLE,
            key=account_id,
            sentence=f"account {account_id} did not answer {failures} times in a row: {sentence}",
            facts={"account_id": account_id, "failures": failures},
        )

    def clear_unreachable(self, account_id: str) -> None:
        """The account answers again."""
        clear_incident(self._store, kind=_UNREACHABLE, key=account_id)

    def wanted_prices(self, account_id: str, *, since: datetime) -> list[Instrument]:
        """Instruments whose price was wanted since then and not answered since, oldest first."""
        rows = self._wanted("market_prices", account_id, since)
        return [from_document(Instrument, row["instrument"]) for row in rows]

    def wanted_previews(
        self, account_id: str, *, since: datetime
    ) -> list[tuple[str, tuple[PreviewLeg, ...]]]:
        """Margin previews wanted since then and not answered since: key and legs."""
        rows = self._wanted("margin_previews", account_id, since)
        return [(row["_id"], from_document(MarginPreview, row).legs) for row in rows]

    def _wanted(self, collection: str, account_id: str, since: datetime) -> list[Document]:
        query = {"account_id": account_id, "wanted_at": {"$gte": since}}
        return [
            row
            for row in self._store[collection].find(query).sort("wanted_at")
            if row.get("answered_at") is None or row["answered_at"] < row["wanted_at"]
        ]

    def save_preview(self, key: str, answer: MarginQuote | str, *, at: datetime) -> None:
        """Write what the broker said of a margin, or why it could not be asked.

        After a failure the earlier amounts and their age are left.
        """
        said: Document = {"answered_at": at}
        if isinstance(answer, str):
            said["error"] = answer
        else:
            said |= {**answer.model_dump(), "as_of": min(answer.as_of, at), "error": None}
        self._store["margin_previews"].update_one({"_id": key}, {"$set": said})

    def save_price(
        self, account_id: str, instrument: Instrument, quote: Quote | None, *, at: datetime
    ) -> None:
        """Write what the broker said; `as_of` never later than our own clock, as in `save_state`.

        None, which is "I know no price", ends an older one.
        """
        said = {
            "price": quote.price if quote else None,
            "as_of": min(quote.as_of, at) if quote else None,
        }
        self._answer(account_id, instrument, {**said, "error": None, "answered_at": at})

    def save_price_failure(
        self, account_id: str, instrument: Instrument, sentence: str, *, at: datetime
    ) -> None:
        """Note that the broker could not be asked; an earlier price and its as_of are left."""
        self._answer(account_id, instrument, {"error": sentence, "answered_at": at})

    def _answer(self, account_id: str, instrument: Instrument, fields: Document) -> None:
        self._store["market_prices"].update_one(
            {"_id": market_price_id(instrument, account_id)}, {"$set": fields}
        )

    def account(self, account_id: str) -> Document | None:
        """One account as stored."""
        return self._store["trading_accounts"].find_one({"_id": account_id})

    def accounts(self) -> list[Document]:
        """All accounts as stored, in the order of their ids."""
        return list(self._store["trading_accounts"].find({}).sort("_id"))
