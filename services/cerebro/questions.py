"""What account_data asks brokers for Cerebro: prices and margins, wanted and answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.common.store import Store, from_document, to_document
from services.decision.prices import preview_key
from services.domain.accounts import AccountSnapshot, MarginPreview, MarketPrice, market_price_id
from services.domain.decisions import Question
from services.domain.instruments import Instrument
from services.domain.signals import Signal


class Questions:
    """The collections `market_prices` and `margin_previews`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def prices(self, account_id: str, instruments: Sequence[Instrument]) -> dict[str, MarketPrice]:
        """What the account's broker has said of these, by instrument key.

        Outside of any transaction: a price is of this instant, not of its snapshot.
        """
        keys = {market_price_id(each, account_id): each.key for each in instruments}
        if not keys:
            return {}
        found = self._store["market_prices"].find({"_id": {"$in": list(keys)}})
        return {keys[row["_id"]]: from_document(MarketPrice, row) for row in found}

    def want_prices(
        self, account_id: str, instruments: Iterable[Instrument], *, at: datetime
    ) -> None:
        """Have account_data ask the account's broker; wanted again is asked again."""
        for instrument in instruments:
            wanted = {
                "account_id": account_id,
                "instrument": to_document(instrument),
                "wanted_at": at,
            }
            self._store["market_prices"].update_one(
                {"_id": market_price_id(instrument, account_id)}, {"$set": wanted}, upsert=True
            )

    def margin_preview(self, account: AccountSnapshot, signal: Signal) -> MarginPreview | None:
        """What the account's broker has said of these legs' margin, where it is ever asked."""
        if not account.previews_margin:
            return None
        key = preview_key(account.account_id, signal)
        found = self._store["margin_previews"].find_one({"_id": key})
        return from_document(MarginPreview, found) if found else None

    def ask(self, question: Question, *, at: datetime) -> None:
        """Have account_data ask an account's broker; asked again is asked again."""
        if question.instrument is not None:
            self.want_prices(question.account_id, [question.instrument], at=at)
        if question.legs:
            # The legs of an earlier question stay beside their answer: they are in the same ratio.
            legs = [to_document(leg) for leg in question.legs]
            self._store["margin_previews"].update_one(
                {"_id": question.key},
                {
                    "$set": {"account_id": question.account_id, "wanted_at": at},
                    "$setOnInsert": {"legs": legs},
                },
                upsert=True,
            )
