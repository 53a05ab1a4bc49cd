"""Commands of this fake alone, on its control port beside those of the mock broker."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, Field

from brokers.mock.faults import Step
from tests.fakes.kite.errors import KiteError
from tests.fakes.kite.house import Failure, Oddity


class Answer(BaseModel):
    """An error that the next calls of a kind are answered with.

    Attributes:
        taken: the call has been carried out all the same.
    """

    error_type: str
    message: str = "refused on command"
    status: int = 400
    on: Step = Step.PLACE
    count: int = Field(1, ge=1)
    taken: bool = False


class NextOrders(BaseModel):
    """What is odd about the next orders; as `Oddity`."""

    count: int = Field(1, ge=1)
    shows: str | None = None
    untagged: bool = False
    fails: tuple[int, ...] = ()
    seconds: float | None = None


def add_routes(app, house, session, funds, ticker):
    """What a client cannot ask, and what Zerodha does by itself."""
    _add_session(app, session, ticker)
    _add_orders(app, house, ticker)
    _add_days(app, house, funds)

    @app.put("/v1/kite/limits", status_code=204)
    def set_limits(enabled: Annotated[bool, Body(embed=True)]):
        """Hold the rate limits, or take any number of calls; until the books begin anew."""
        house.limits.enabled = enabled


def add_postbacks(app, postbacks):
    """Where the app wants to be told."""

    @app.put("/v1/kite/postback", status_code=204)
    def set_postback(url: Annotated[str | None, Body(embed=True)]):
        """Post order changes there, or nowhere; until the books begin anew."""
        postbacks.url = url


def _add_session(app, session, ticker):
    @app.post("/v1/kite/login")
    def log_in() -> dict[str, str]:
        """A person logs in; what his browser brings back."""
        return {"request_token": session.log_in()}

    @app.post("/v1/kite/expire-token", status_code=204)
    def expire():
        """The access token is worth nothing any more; websockets end."""
        session.expire()
        ticker.cut()

    @app.post("/v1/kite/cut-websockets", status_code=204)
    def cut():
        """End every websocket, as a restart of Kite's does."""
        ticker.cut()


def _add_orders(app, house, ticker):
    @app.post("/v1/kite/next-orders", status_code=204)
    def next_orders(wanted: NextOrders):
        """Make the next orders odd: shown otherwise than they stand, untagged, cut in slicing."""
        made = Oddity(**wanted.model_dump(exclude={"count"}))
        house.next_orders.extend([made] * wanted.count)

    @app.post("/v1/kite/reveal", status_code=204)
    def reveal():
        """Show every order as it stands, and tell of those that were not shown."""
        ticker.reveal()

    @app.post("/v1/kite/answers", status_code=204)
    def answers(wanted: Answer):
        """Make the next calls of a kind fail in Kite's own words."""
        error = KiteError(wanted.error_type, wanted.message, wanted.status)
        house.failures.extend([Failure(error, wanted.on, wanted.taken)] * wanted.count)


def _add_days(app, house, funds):
    @app.post("/v1/kite/next-day", status_code=204)
    def next_day():
        """Another day: books of orders and trades are empty, CNC positions are holdings.

        Orders that still work are cancelled, as validity DAY has it. The clock stays.
        """
        funds.end_day()
