"""Commands that only this fake has, on its control port below `/v1/tws`; for tests and by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from tests.fakes.tws import answers
from tests.fakes.tws.gateway import Gateway
from tests.fakes.tws.session import Session
from tests.fakes.tws.tricks import Mute, Trick


class LinkAction(StrEnum):
    """What can happen to connections."""

    FIN = "FIN"
    RST = "RST"
    BLACK_HOLE = "BLACK_HOLE"  # all connections, new ones too: nothing is answered
    HEAL = "HEAL"


class Link(BaseModel):
    """Of one client, or of all."""

    action: LinkAction
    client_id: int | None = None


class BrokerLink(BaseModel):
    """Between the gateway and IBKR; back with 1102, or with 1101 where data was lost."""

    up: bool
    data_kept: bool = True


class Said(BaseModel):
    """An error, warning or information.

    Attributes:
        number: of the order or request; −1 = of none.
        order_ref: in place of `number`: of the order with this reference, to its client.
        client_id: None = all.
    """

    code: int
    text: str = "said on command"
    number: int = -1
    order_ref: str | None = None
    client_id: int | None = None


class Raw(BaseModel):
    """Any frame; without fields: one that no client can read."""

    fields: list[str] = Field(default_factory=list)
    client_id: int | None = None


class Delay(BaseModel):
    """Everything is said so late; 0 = at once."""

    seconds: float = Field(ge=0, le=600)


class MarketData(BaseModel):
    """What the login may see."""

    kind: Literal["LIVE", "DELAYED", "NONE"]


class Highest(BaseModel):
    """The highest order id that a client has used."""

    order_id: int = Field(ge=0, le=2_000_000_000)


def add_routes(app: FastAPI, gateway: Gateway) -> None:
    """All of them."""
    _add_links(app, gateway)
    _add_words(app, gateway)
    _add_tricks(app, gateway)


def _chosen(gateway: Gateway, client_id: int | None) -> list[Session]:
    if client_id is None:
        return gateway.sessions()
    found = gateway.session(client_id)
    return [found] if found else []


def _add_links(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/tws/link", status_code=204)
    def link(wanted: Link) -> None:
        """End connections, or let nothing through."""

        def act() -> None:
            if wanted.action in {LinkAction.BLACK_HOLE, LinkAction.HEAL}:
                gateway.tricks.black_hole = wanted.action is LinkAction.BLACK_HOLE
                return
            for session in _chosen(gateway, wanted.client_id):
                session.close() if wanted.action is LinkAction.FIN else session.abort()

        gateway.call(act)

    @app.put("/v1/tws/broker-link", status_code=204)
    def broker_link(wanted: BrokerLink) -> None:
        """1100, 1101, 1102."""
        gateway.call(lambda: gateway.set_broker_link(up=wanted.up, data_kept=wanted.data_kept))

    @app.get("/v1/tws/clients")
    def clients() -> dict[str, object]:
        """Who is connected, how much each has sent, the most in one second, what is subscribed."""
        return {
            "connected": sorted(each.client_id for each in gateway.sessions()),
            "messages": gateway.stats.messages,
            "most_in_a_second": gateway.stats.most_in_a_second,
            "subscriptions": sum(len(each.multi) for each in gateway.sessions()),
        }

    @app.put("/v1/tws/clients/{client_id}/highest", status_code=204)
    def use(client_id: int, wanted: Highest) -> None:
        """As if it had used ids up to this one."""
        gateway.call(lambda: gateway.memory.use(client_id, wanted.order_id))


def _add_words(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/tws/errors")
    def say_error(wanted: Said) -> JSONResponse:
        """Say it; to how many."""

        def act() -> int:
            number, sessions = wanted.number, _chosen(gateway, wanted.client_id)
            if wanted.order_ref is not None:
                found = [each for each in gateway.book.all() if each.reference == wanted.order_ref]
                if not found:
                    return 0
                number, sessions = found[-1].order_id, _chosen(gateway, found[-1].client_id)
            for session in sessions:
                session.say(answers.error(wanted.code, wanted.text, number))
            return len(sessions)

        told = gateway.call(act)
        return JSONResponse({"told": told}, 200 if told else 404)

    @app.post("/v1/tws/raw", status_code=204)
    def raw(wanted: Raw) -> None:
        """Send any frame."""

        def act() -> None:
            for session in _chosen(gateway, wanted.client_id):
                session.say(list(wanted.fields)) if wanted.fields else session.say_garbage()

        gateway.call(act)


def _add_tricks(app: FastAPI, gateway: Gateway) -> None:
    tricks = gateway.tricks

    @app.post("/v1/tws/tricks", status_code=204)
    def trick(wanted: Trick) -> None:
        """Tell the next fills in another way."""
        tricks.add(wanted)

    @app.post("/v1/tws/mutes", status_code=204)
    def mute(wanted: Mute) -> None:
        """Never answer the next of these."""
        tricks.mute(wanted)

    @app.put("/v1/tws/delay", status_code=204)
    def delay(wanted: Delay) -> None:
        """Say everything late."""
        tricks.delay_seconds = wanted.seconds

    @app.put("/v1/tws/market-data", status_code=204)
    def market_data(wanted: MarketData) -> None:
        """Live, delayed (10167) or none at all (354)."""
        tricks.market_data = wanted.kind

    @app.post("/v1/tws/midnight", status_code=204)
    def midnight() -> None:
        """Remember no executions and no ended orders of before now."""
        tricks.forgets_before = answers.utc_now()
