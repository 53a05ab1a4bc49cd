"""Margins of futures as an operator has looked them up; no formula has them, exchanges set them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.scopes import check_signed, check_storable, faults_of
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.risk import FuturesMargin

_log = logging.getLogger(__name__)


def futures_margins(store: Store) -> dict[str, FuturesMargin | None]:
    """All that are stored, by symbol; None = it cannot be read, so nobody knows that margin.

    Raises: PyMongoError while the database does not answer.
    """
    return {str(row["_id"]): _read(row) for row in store["futures_margins"].find({})}


def _read(row: Document) -> FuturesMargin | None:
    try:
        return from_document(FuturesMargin, row)
    except ValidationError as error:
        _log.error("the futures margin of %s cannot be read: %s", row["_id"], faults_of(error))
        return None


def set_futures_margin(
    store: Store, symbol: str, figures: Mapping[str, object], *, by: str
) -> FuturesMargin:
    """Enter, or replace, what one contract needs.

    Args:
        store: where it is kept; the audit log gets before and after in the same transaction.
        symbol: of the contract.
        figures: initial, maintenance, price, as_on and source, as in `FuturesMargin`.
        by: who looked them up.

    Raises:
        ConfigurationError: a figure is missing or wrong.
        TransientError: the database does not answer.
    """
    check_signed(by, str(figures.get("source") or ""), asked="source must say where it was found")
    now = utc_now()
    signed = {"symbol": symbol.strip().upper(), "set_by": by.strip(), "set_at": now}
    try:
        margin = FuturesMargin.model_validate({**figures, **signed})
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


def _write(store: Store, margin: FuturesMargin, session: ClientSession) -> None:
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
