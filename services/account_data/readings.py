"""What is stored of accounts, for whoever asks: kept for a moment, always with its true age."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING

from services.account_data.curves import ACCOUNTS, FUNDS, Curve
from services.account_data.equity_views import (
    CurveView,
    Resolution,
    Span,
    currency_of,
    days_of,
    points_of,
)
from services.account_data.hierarchy import (
    FundNode,
    FundView,
    fund_view,
    hierarchy,
    main_type,
    of_type,
)
from services.account_data.prices import PricesView, read_prices
from services.account_data.seed_views import (
    FundStateAnswer,
    PositionsView,
    StateAnswer,
    fund_state,
    positions_view,
    state_answer,
)
from services.account_data.snapshot import Snapshot, Snapshots
from services.account_data.views import AccountView, account_view
from services.common.clock import utc_now
from services.common.store import Document, Store
from services.domain.errors import Declined


class Readings:
    """Reads accounts, funds and curves.

    Args:
        store: the database.
        max_age_seconds: figures that are older are marked stale.
        fund_currency: what funds are summed up in, where nobody names another.
    """

    def __init__(
        self,
        store: Store,
        *,
        max_age_seconds: float,
        fund_currency: str = "USD",
    ) -> None:
        self._store = store
        self._max_age = max_age_seconds
        self._fund_currency = fund_currency
        self._snapshots = Snapshots(store)

    def start(self) -> None:
        """Read ahead of whoever asks."""
        self._snapshots.start()

    def stop(self) -> None:
        """Read only what is asked for."""
        self._snapshots.stop()

    def accounts(
        self, *, broker: str | None = None, status: str | None = None
    ) -> list[AccountView]:
        """Every account, active or not."""
        views = [self._view(row) for row in self._snapshots.last().accounts.values()]
        return [
            each
            for each in views
            if (broker is None or each.broker == broker.upper())
            and (status is None or each.status == status.upper())
        ]

    def account(self, account_id: str, *, anew: bool = False) -> AccountView:
        """One account. Raises: Declined: there is none.

        Args:
            account_id: which.
            anew: as it is stored now, not a moment ago.
        """
        return self._view(self._row(account_id, self._snapshot(account_id, anew=anew)))

    def positions(self, account_id: str) -> PositionsView:
        """What an account holds by its broker's word. Raises: Declined: there is none."""
        return self._positions(account_id, self._snapshot(account_id))

    def state(self, account_id: str, *, anew: bool = False) -> StateAnswer:
        """Everything of an account. Raises: Declined: there is none."""
        snapshot = self._snapshot(account_id, anew=anew)
        account = self._view(self._row(account_id, snapshot))
        positions = self._positions(account_id, snapshot)
        return state_answer(account, positions, snapshot.orders.get(account_id, ()))

    def _snapshot(self, account_id: str, *, anew: bool = False) -> Snapshot:
        """One that has the account, if there is one: it may have just been added."""
        last = None if anew else self._snapshots.last()
        return last if last and account_id in last.accounts else self._snapshots.anew()

    def _row(self, account_id: str, snapshot: Snapshot) -> Document:
        row = snapshot.accounts.get(account_id)
        if row is None:
            raise Declined("UNKNOWN_ACCOUNT", f"there is no account named {account_id!r}")
        return row

    def _positions(self, account_id: str, snapshot: Snapshot) -> PositionsView:
        self._row(account_id, snapshot)
        row = snapshot.positions.get(account_id)
        return positions_view(account_id, row, now=utc_now(), max_age_seconds=self._max_age)

    def fund(self, *, currency: str | None, account_type: str | None) -> FundView:
        """Sums over active accounts, of one type where it is named."""
        accounts = self.accounts()
        if account_type is not None:
            accounts = of_type(accounts, account_type)
        return fund_view(accounts, currency=currency, now=utc_now(), max_age_seconds=self._max_age)

    def hierarchy(self, *, currency: str | None) -> tuple[FundNode, ...]:
        """Every fund with its brokers and accounts."""
        return hierarchy(
            self.accounts(),
            currency=currency or self._fund_currency,
            now=utc_now(),
            max_age_seconds=self._max_age,
        )

    def fund_state(self, *, account_type: str | None) -> FundStateAnswer:
        """One fund; None = that of real money, where there is any. Raises: Declined."""
        wanted = account_type or main_type(self.accounts())
        found = [each for each in self.hierarchy(currency=None) if each.account_type == wanted]
        if not found:
            raise Declined("UNKNOWN_FUND", f"no account is of type {wanted}")
        return fund_state(found[0], now=utc_now())

    def account_curve(self, account_id: str, span: Span, resolution: Resolution) -> CurveView:
        """Equity of an account over time. Raises: Declined: there is none."""
        self.account(account_id)
        return CurveView(
            account_id=account_id, **self._curve(ACCOUNTS, account_id, span, resolution)
        )

    def prices(self, account_id: str, instrument_key: str, span: Span) -> PricesView:
        """What an account's broker has said of an instrument. Raises: Declined: no such account."""
        self.account(account_id)
        return read_prices(self._store, account_id, instrument_key, span)

    def fund_curve(self, account_type: str | None, span: Span, resolution: Resolution) -> CurveView:
        """Equity of a fund over time; None = that of real money, where there is any."""
        key = account_type or main_type(self.accounts())
        return CurveView(account_type=key, **self._curve(FUNDS, key, span, resolution))

    def _curve(self, curve: Curve, key: str, span: Span, resolution: Resolution) -> dict[str, Any]:
        if resolution is Resolution.DAY:
            first, last = (f"{each:%Y-%m-%d}" for each in span)
            query = {curve.owner: key, "date": {"$gte": first, "$lte": last}}
            rows = list(self._store[curve.history].find(query).sort("date", ASCENDING))
            shown: dict[str, Any] = {"days": days_of(rows)}
        else:
            query = {curve.owner: key, "at": {"$gte": span.first, "$lte": span.last}}
            fields = {"at": 1, "equity": 1, "currency": 1}
            rows = list(self._store[curve.points].find(query, fields).sort("at", ASCENDING))
            shown = {"points": points_of(rows, resolution)}
        return {"currency": currency_of(rows), "resolution": resolution, **shown}

    def _view(self, row: Document) -> AccountView:
        return account_view(row, now=utc_now(), max_age_seconds=self._max_age)
