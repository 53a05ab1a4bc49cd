"""HTTP of account data: figures with their age, and never a secret."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from services.account_data.store import AccountStore
from services.account_data.views import AccountView, FundView, account_view, fund_view
from services.common.clock import utc_now
from services.common.http import add_routes
from services.common.ops import Health


class Problem(BaseModel):
    """Why a request was refused."""

    code: str
    message: str


class _UnknownAccount(Exception):
    """There is no such account."""


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (404, 422, 503)
}


def create_app(store: AccountStore, health: Health, *, max_age_seconds: float) -> FastAPI:
    """The HTTP interface; figures older than `max_age_seconds` are marked stale."""
    app = FastAPI(title="Mathematricks account data", version="1")
    add_routes(app, health)
    _add_problems(app)

    def seen() -> list[AccountView]:
        now = utc_now()
        return [
            account_view(document, now=now, max_age_seconds=max_age_seconds)
            for document in store.accounts()
        ]

    @app.get("/api/v1/accounts", responses=_PROBLEMS)
    def get_accounts() -> list[AccountView]:
        """Every account, active or not, with its figures and their age."""
        return seen()

    @app.get("/api/v1/accounts/{account_id}", responses=_PROBLEMS)
    def get_account(account_id: str) -> AccountView:
        """One account with its figures and their age."""
        document = store.account(account_id)
        if document is None:
            raise _UnknownAccount(f"there is no account named {account_id!r}")
        return account_view(document, now=utc_now(), max_age_seconds=max_age_seconds)

    @app.get("/api/v1/fund", responses=_PROBLEMS)
    def get_fund(
        currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    ) -> FundView:
        """Sums over the active accounts of one currency, and which accounts they leave out."""
        return fund_view(seen(), currency=currency, now=utc_now(), max_age_seconds=max_age_seconds)

    return app


def _add_problems(app: FastAPI) -> None:
    """Answer every refusal with a code and a sentence."""

    @app.exception_handler(_UnknownAccount)
    def _unknown(_request: Request, error: _UnknownAccount) -> JSONResponse:
        return _problem(404, "UNKNOWN_ACCOUNT", str(error))

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [
            f"{each['loc'][-1]}: {each['msg']}, was {each['input']!r}" for each in error.errors()
        ]
        return _problem(422, "INVALID_PARAMETER", "; ".join(parts))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = "NOT_FOUND" if error.status_code == 404 else "REFUSED"
        return _problem(
            error.status_code, code, f"{request.method} {request.url.path}: {error.detail}"
        )

    @app.exception_handler(PyMongoError)
    def _no_store(_request: Request, error: PyMongoError) -> JSONResponse:
        return _problem(503, "STORE_UNAVAILABLE", f"the database failed: {type(error).__name__}")


def _problem(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)
