"""Margins of futures as an operator has looked them up; no formula has them, exchanges set them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date

from pydantic import Field, ValidationError
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.scopes import check_signed, check_storable, faults_of
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.values import Frozen, Instant, Positive

_log = logging.getLogger(__name__)


class StoredFuturesMargin(Frozen):
    """What one contract needs, in its own currency.

    Attributes:
        symbol: root, in capitals, as signals have it.
        initial: to open one contract.
        maintenance: to keep it.
        price: of the future when the figures were published; None = not known.
        as_on: day that the figures are of, ISO.
        source: where they were found.
        set_by: who entered them.
    """

    symbol: str = Field(pattern=r"^[A-Z0-9._-]+$")
    initial: Positive
    maintenance: Positive
    price: Positive | None = None
    as_on: date
    source: str = Field(min_length=1)
    set_by: str
    set_at: Instant

    @property
    def in_words(self) -> str:
        """The figures and where they are from, on one line."""
        price = f" at a price of {self.price:f}" if self.price is not None else ""
        return (
            f"initial {self.initial:f}, maintenance {self.maintenance:f}{price}, "
            f"as on {self.as_on}, {self.source} (by {self.set_by})"
        )


def futures_margins(store: Store) -> dict[str, StoredFuturesMargin | None]:
    """All that are stored, by symbol; None = it cannot be read, so nobody knows that margin.

    Raises: PyMongoError while the database does not answer.
    """
    return {str(row["_id"]): _read(row) for row in store["futures_margins"].find({})}


def _read(row: Document) -> StoredFuturesMargin | None:
    try:
        return from_document(StoredFuturesMargin, row)
    except ValidationError as error:
        _log.error("the futures margin of %s cannot be read: %s", row["_id"], faults_of(error))
        return None


def set_futures_margin(
    store: Store, symbol: str, figures: Mapping[str, object], *, by: str
) -> StoredFuturesMargin:
    """Enter, or replace, what one contract needs.

    Args:
        store: where it is kept; the audit log gets before and after in the same transaction.
        symbol: of the contract.
        figures: initial, maintenance, price, as_on and source, as in `StoredFuturesMargin`.
        by: who looked them up.

    Raises:
        ConfigurationError: a figure is missing or wrong.
        TransientError: the database does not answer.
    """
    check_signed(by, str(figures.get("source") or ""), asked="source must say where it was found")
    now = utc_now()
    signed = {"symbol": symbol.strip().upper(), "set_by": by.strip(), "set_at": now}
    try:
        margin = StoredFuturesMargin.model_validate({**figures, **signed})
    except ValidationError as error:
        raise ConfigurationError(f"the margin of {symbol}: {faults_of(error)}") from error
    check_storable(margin)
    if margin.maintenance > margin.initial:
        raise ConfigurationError(
            f"maintenance must not be above initial ({margin.initial:f}), "
            f"was {margin.maintenance:f}"
        )
    if margin.as_on > now.date():
        raise ConfigurationError(f"as_on must not be after today, was {margin.as_on}")
    store.transaction(lambda session: _write(store, margin, session))
    return margin


def _write(store: Store, margin: StoredFuturesMargin, session: ClientSession) -> None:
    query = {"_id": margin.symbol}
    before = store["futures_margins"].find_one(query, session=session)
    after = to_document(margin)
    store["futures_margins"].replace_one(query, after, upsert=True, session=session)
    audit(
        store,
        "FUTURES_MARGIN_SET",
        service="operator",
        by=margin.set_by,
        facts={"symbol": margin.symbol, "before": before, "after": after},
        session=session,
    )
