"""All queries of account data."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from brokers.broker import AccountState, Quote
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document
from services.domain.accounts import market_price_id
from services.domain.instruments import Instrument

_UNREACHABLE = "ACCOUNT_UNREACHABLE"


class Account(NamedTuple):
    """What must be known of an account to ask its broker."""

    account_id: str
    broker: str


class AccountStore:
    """Reads the list of accounts, writes what their brokers say."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def active_accounts(self) -> list[Account]:
        """Accounts to ask, as the operator has them now."""
        rows = self._store["trading_accounts"].find({"status": "ACTIVE"}, {"broker": 1})
        return [Account(row["_id"], str(row.get("broker"))) for row in rows]

    def save_state(self, state: AccountState, *, recorded_at: datetime) -> None:
        """Write all amounts of one answer together, and end the present trouble.

        `as_of` is the broker's time, but never later than our own: figures from a broker whose
        clock is ahead must not stay fresh for longer than others.
        """
        amounts = state.model_dump(exclude={"account_id", "as_of"})
        times = {"as_of": min(state.as_of, recorded_at), "recorded_at": recorded_at}
        self._store["trading_accounts"].update_one(
            {"_id": state.account_id}, {"$set": {**amounts, **times, "poll_error": None}}
        )

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
        query = {"account_id": account_id, "wanted_at": {"$gte": since}}
        return [
            from_document(Instrument, row["instrument"])
            for row in self._store["market_prices"].find(query).sort("wanted_at")
            if row.get("answered_at") is None or row["answered_at"] < row["wanted_at"]
        ]

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
