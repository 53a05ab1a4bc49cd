"""HTTP of account data: figures with their age, and never a secret."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from pydantic import AwareDatetime

from brokers.errors import BrokerError, OrderRejected, UnsupportedOrder
from services.account_data.equity_views import (
    CurveView,
    Resolution,
    span_of,
)
from services.account_data.hierarchy import FundNode, FundView
from services.account_data.prices import PricesView
from services.account_data.readings import Readings
from services.account_data.seed_views import (
    FundStateAnswer,
    MarginView,
    PositionsView,
    StateAnswer,
    margin_view,
)
from services.account_data.views import AccountView
from services.common.bodies import BodyLimit
from services.common.callers import Caller, add_description, allow
from services.common.clock import utc_now
from services.common.http import add_routes
from services.common.operators import Operators, admit_operators
from services.common.ops import Health
from services.common.problems import Refusal, add_problems, problem_responses, translate
from services.domain.errors import ConfigurationError, Declined
from services.domain.users import Permission
from services.domain.words import AccountType, ActiveStatus

PROBLEMS: Final = problem_responses(401, 403, 404, 409, 413, 422, 503)
_MOST_BYTES: Final = 65_536
#: Every other code is 422: what was sent cannot be.
_STATUS: Final = {
    "UNKNOWN_ACCOUNT": 404,
    "UNKNOWN_FLOW": 404,
    "UNKNOWN_FUND": 404,
    "ACCOUNT_EXISTS": 409,
    "ACCOUNT_IN_USE": 409,
    "ACCOUNT_NOT_POLLED": 409,
    "ANOTHER_JUMP": 409,
    "EQUITY_DOUBTED": 409,
    "FLOW_ID_REUSED": 409,
    "FLOW_NOT_PENDING": 409,
    "FLOW_REVERSED": 409,
    "NO_JUMP": 409,
}
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]
Since = Annotated[AwareDatetime | None, Query(alias="from")]
Type = Annotated[
    AccountType | None, Query(description="PAPER or LIVE; left out = real money first")
]


def create_app(readings: Readings, health: Health, operators: Operators) -> FastAPI:
    """The HTTP interface, to which each part adds its routes."""
    app = FastAPI(
        title="Mathematricks account data",
        version="1",
        responses=PROBLEMS,
        generate_unique_id_function=lambda route: route.name,
        openapi_url=None,  # for callers only
    )
    app.add_middleware(BodyLimit, most_bytes=lambda _path: _MOST_BYTES)
    add_routes(app, health)
    add_problems(app)
    translate(app, Declined, _declined)
    translate(app, ConfigurationError, lambda error: Refusal(422, "REFUSED", str(error)))
    translate(app, BrokerError, _of_broker)
    admit_operators(app, operators)
    add_description(app)
    _add_accounts(app, readings)
    _add_seed_routes(app, readings)
    _add_fund(app, readings)
    _add_curves(app, readings)
    return app


def _declined(error: Declined) -> Refusal:
    return Refusal(_STATUS.get(error.code, 422), error.code, str(error), field=error.field)


def _of_broker(error: BrokerError) -> Refusal:
    if isinstance(error, UnsupportedOrder):
        return Refusal(422, "UNSUPPORTED_ORDER", str(error))
    if isinstance(error, OrderRejected):
        return Refusal(422, "ORDER_REJECTED", str(error))
    return Refusal(504, "BROKER_NO_ANSWER", str(error))


def _add_accounts(app: FastAPI, readings: Readings) -> None:
    @app.get("/api/v1/accounts", tags=["accounts"])
    def get_accounts(
        _by: Reader,
        broker: Annotated[str | None, Query(max_length=40)] = None,
        status: ActiveStatus | None = None,
    ) -> list[AccountView]:
        """Every account, active or not, with its figures and their age."""
        return readings.accounts(broker=broker, status=status)

    @app.get("/api/v1/accounts/{account_id}", tags=["accounts"])
    def get_account(account_id: str, _by: Reader) -> AccountView:
        """One account with its figures and their age."""
        return readings.account(account_id)

    @app.get("/api/v1/accounts/{account_id}/positions", tags=["accounts"])
    def get_positions(account_id: str, _by: Reader) -> PositionsView:
        """What an account holds by its broker's word, with its own age."""
        return readings.positions(account_id)


def _add_seed_routes(app: FastAPI, readings: Readings) -> None:
    @app.get("/api/v1/account/{account_id}/state", tags=["accounts"])
    def get_state(account_id: str, _by: Reader) -> StateAnswer:
        """Figures, positions and working orders of an account."""
        return readings.state(account_id)

    @app.get("/api/v1/account/{account_id}/margin", tags=["accounts"])
    def get_margin(account_id: str, _by: Reader) -> MarginView:
        """Margin of an account."""
        return margin_view(readings.account(account_id))


def _add_fund(app: FastAPI, readings: Readings) -> None:
    @app.get("/api/v1/fund", tags=["fund"])
    def get_fund(
        _by: Reader,
        currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
        account_type: AccountType | None = None,
    ) -> FundView:
        """Sums over the active accounts in one currency, and which accounts they leave out."""
        return readings.fund(currency=currency, account_type=account_type)

    @app.get("/api/v1/fund/state", tags=["fund"])
    def get_fund_state(_by: Reader, account_type: Type = None) -> FundStateAnswer:
        """One fund, by broker."""
        return readings.fund_state(account_type=account_type)

    @app.get("/api/v1/hierarchy", tags=["fund"])
    def get_hierarchy(
        _by: Reader, currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None
    ) -> tuple[FundNode, ...]:
        """Funds, their brokers and their accounts; left out = in the fund's currency."""
        return readings.hierarchy(currency=currency)


def _add_curves(app: FastAPI, readings: Readings) -> None:
    @app.get("/api/v1/accounts/{account_id}/equity", tags=["curves"])
    def get_equity(
        account_id: str,
        _by: Reader,
        first: Since = None,
        to: AwareDatetime | None = None,
        resolution: Resolution = Resolution.DAY,
    ) -> CurveView:
        """Equity of an account over time; left out = a year of days, two weeks of hours, a day."""
        span = span_of(first, to, resolution, utc_now())
        return readings.account_curve(account_id, span, resolution)

    @app.get("/api/v1/accounts/{account_id}/prices", tags=["curves"])
    def get_prices(
        account_id: str,
        instrument_key: Annotated[str, Query(min_length=1, max_length=300)],
        _by: Reader,
        first: Since = None,
        to: AwareDatetime | None = None,
    ) -> PricesView:
        """Prices of an instrument by the account's broker; a day where nothing else is asked."""
        span = span_of(first, to, Resolution.MINUTE, utc_now())
        return readings.prices(account_id, instrument_key, span)

    @app.get("/api/v1/fund/equity", tags=["curves"])
    def get_fund_equity(
        _by: Reader,
        account_type: Type = None,
        first: Since = None,
        to: AwareDatetime | None = None,
        resolution: Resolution = Resolution.DAY,
    ) -> CurveView:
        """Equity of a fund over time."""
        span = span_of(first, to, resolution, utc_now())
        return readings.fund_curve(account_type, span, resolution)
