"""HTTP to set accounts up, to have their brokers asked now, and to ask what an order would need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import FastAPI, Query

from brokers.broker import MarginQuote
from services.account_data.api import PROBLEMS, Admin, Reader, Trader
from services.account_data.readings import Readings
from services.account_data.requests import AccountChange, NewAccount, PreviewRequest, Secret
from services.account_data.seed_views import StateAnswer
from services.account_data.service import AccountData
from services.account_data.views import AccountView, Amount
from services.common.account_setup import add_account, change_account, keep_secret, setup_of
from services.common.problems import Refusal, problem_responses
from services.common.store import Store
from services.common.vault import Vault
from services.domain.errors import TransientError
from services.domain.values import Frozen, Instant
from services.domain.words import ActiveStatus

T = TypeVar("T")
_PROBLEMS: Final = PROBLEMS | problem_responses(504)


class SetupView(Frozen):
    """How an account is reached; of each secret where it is, never the secret."""

    account_id: str
    broker: str
    account_type: str
    status: str
    currency: str
    connection: dict[str, Any]
    secrets: dict[str, str]


class MarginImpact(Frozen):
    """What an order would change, in the account's currency.

    Attributes:
        init_margin_after: with what is used now; None where that is not known.
        commission: no broker of ours tells it beforehand.
        as_of: when the broker said so.
    """

    init_margin_change: Amount
    maint_margin_change: Amount
    init_margin_after: Amount | None
    maint_margin_after: Amount | None
    equity_with_loan: Amount | None
    commission: Amount | None = None
    as_of: Instant
    success: bool = True


class PreviewView(Frozen):
    """The answer to a preview, beside what was asked."""

    account_id: str
    instrument: str
    quantity: Amount
    direction: str
    margin_impact: MarginImpact


def add_setup_routes(app: FastAPI, store: Store, vault: Vault, readings: Readings) -> None:
    """Add, change and leave accounts; each with its line in the audit log."""

    @app.post("/api/v1/accounts", status_code=201, responses=PROBLEMS, tags=["setup"])
    def post_account(account: NewAccount, by: Admin) -> AccountView:
        """Add an account; it is polled within seconds."""
        add_account(store, account.row(), by=by.name, reason=account.reason)
        return readings.account(account.account_id, anew=True)

    @app.put("/api/v1/accounts/{account_id}", responses=PROBLEMS, tags=["setup"])
    def put_account(account_id: str, change: AccountChange, by: Admin) -> SetupView:
        """Change how an account is reached or followed."""
        change_account(
            store,
            account_id,
            by=by.name,
            reason=change.reason,
            connection=change.connection,
            settings=change.settings(),
        )
        return _setup(store, account_id)

    @app.get("/api/v1/accounts/{account_id}/setup", responses=PROBLEMS, tags=["setup"])
    def get_setup(account_id: str, _by: Reader) -> SetupView:
        """How an account is reached, and where its secrets are."""
        return _setup(store, account_id)

    @app.delete("/api/v1/accounts/{account_id}", responses=PROBLEMS, tags=["setup"])
    def delete_account(
        account_id: str,
        by: Admin,
        reason: Annotated[str, Query(min_length=1, max_length=500)],
    ) -> AccountView:
        """Leave an account: it is INACTIVE, and stays stored. Refused while it holds something."""
        settings = {"status": ActiveStatus.INACTIVE}
        change_account(store, account_id, by=by.name, reason=reason, settings=settings)
        return readings.account(account_id, anew=True)

    @app.put("/api/v1/accounts/{account_id}/secrets/{name}", responses=PROBLEMS, tags=["setup"])
    def put_secret(account_id: str, name: str, secret: Secret, by: Admin) -> SetupView:
        """Seal a secret of an account, in the place of an earlier one."""
        keep_secret(store, vault, account_id, name, secret.value, by=by.name)
        return _setup(store, account_id)

    @app.delete("/api/v1/accounts/{account_id}/secrets/{name}", responses=PROBLEMS, tags=["setup"])
    def delete_secret(account_id: str, name: str, by: Admin) -> SetupView:
        """Forget a secret."""
        keep_secret(store, vault, account_id, name, None, by=by.name)
        return _setup(store, account_id)


def add_broker_routes(app: FastAPI, polling: AccountData, readings: Readings) -> None:
    """Have brokers asked, over each account's own connection and within its budget."""

    @app.post("/api/v1/accounts/{account_id}/sync", responses=_PROBLEMS, tags=["brokers"])
    def post_sync(account_id: str, _by: Trader) -> StateAnswer:
        """Ask the broker now; answers with the fresh state, or why there is none."""
        return _synced(account_id, polling, readings)

    @app.post("/api/v1/account/{account_id}/sync", responses=_PROBLEMS, tags=["brokers"])
    def post_sync_of_seed(account_id: str, _by: Trader) -> StateAnswer:
        """The same, as earlier clients ask for it."""
        return _synced(account_id, polling, readings)

    @app.post("/api/v1/account/{account_id}/margin-preview", responses=_PROBLEMS, tags=["brokers"])
    def post_margin_preview(account_id: str, asked: PreviewRequest, _by: Reader) -> PreviewView:
        """What an order would change of the account's margin, by its broker; sends nothing."""
        account = readings.account(account_id, anew=True)
        leg = asked.leg()
        quote = _answered(lambda: polling.preview(account_id, [leg]))
        return PreviewView(
            account_id=account_id,
            instrument=leg.instrument.symbol,
            quantity=leg.quantity,
            direction=asked.direction,
            margin_impact=_impact(account, quote),
        )


def _setup(store: Store, account_id: str) -> SetupView:
    found = setup_of(store, account_id)
    return SetupView.model_validate({**found, "connection": found["connection"] or {}})


def _synced(account_id: str, polling: AccountData, readings: Readings) -> StateAnswer:
    readings.account(account_id, anew=True)
    _answered(lambda: polling.sync(account_id))
    return readings.state(account_id, anew=True)


def _answered(ask: Callable[[], T]) -> T:
    """What a broker says. Raises: Refusal (504): it did not."""
    try:
        return ask()
    except TransientError as error:
        raise Refusal(504, "BROKER_NO_ANSWER", str(error)) from error


def _impact(account: AccountView, quote: MarginQuote) -> MarginImpact:
    initial, maintenance = account.initial_margin, account.maintenance_margin
    return MarginImpact(
        init_margin_change=quote.initial_margin,
        maint_margin_change=quote.maintenance_margin,
        init_margin_after=None if initial is None else initial + quote.initial_margin,
        maint_margin_after=None if maintenance is None else maintenance + quote.maintenance_margin,
        equity_with_loan=account.equity,
        as_of=quote.as_of,
    )
