"""HTTP of account data: figures with their age, and never a secret."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query

from services.account_data.store import AccountStore
from services.account_data.views import AccountView, FundView, account_view, fund_view
from services.common.clock import utc_now
from services.common.http import add_routes
from services.common.operators import Operators, admit_operators, operator
from services.common.ops import Health
from services.common.problems import Refusal, add_problems, problem_responses

_PROBLEMS = problem_responses(401, 404, 422, 503)


def create_app(
    store: AccountStore, health: Health, operators: Operators, *, max_age_seconds: float
) -> FastAPI:
    """The HTTP interface; figures older than `max_age_seconds` are marked stale."""
    app = FastAPI(title="Mathematricks account data", version="1")
    add_routes(app, health)
    add_problems(app)
    admit_operators(app, operators)

    def seen() -> list[AccountView]:
        now = utc_now()
        return [
            account_view(document, now=now, max_age_seconds=max_age_seconds)
            for document in store.accounts()
        ]

    @app.get("/api/v1/accounts", responses=_PROBLEMS)
    def get_accounts(_by: Annotated[str, Depends(operator)]) -> list[AccountView]:
        """Every account, active or not, with its figures and their age."""
        return seen()

    @app.get("/api/v1/accounts/{account_id}", responses=_PROBLEMS)
    def get_account(account_id: str, _by: Annotated[str, Depends(operator)]) -> AccountView:
        """One account with its figures and their age."""
        document = store.account(account_id)
        if document is None:
            sentence = f"there is no account named {account_id!r}"
            raise Refusal(404, "UNKNOWN_ACCOUNT", sentence)
        return account_view(document, now=utc_now(), max_age_seconds=max_age_seconds)

    @app.get("/api/v1/fund", responses=_PROBLEMS)
    def get_fund(
        _by: Annotated[str, Depends(operator)],
        currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    ) -> FundView:
        """Sums over the active accounts of one currency, and which accounts they leave out."""
        return fund_view(seen(), currency=currency, now=utc_now(), max_age_seconds=max_age_seconds)

    return app
