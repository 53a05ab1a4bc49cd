"""One client's connection: handshake, budget of messages, and who answers what."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from tests.fakes.tws import answers, requests
from tests.fakes.tws.quotes import Watched
from tests.fakes.tws.requests import Request
from tests.fakes.tws.trouble import TOO_MANY
from tests.fakes.tws.wire import Malformed, fields_of, frame, length_of

_HELLO = re.compile(rb"v(\d+)\.\.(\d+)(?: .*)?")
_LONGEST = 1_000_000
_BUDGET = 50
_STRIKES = 3
_RESET = struct.pack("ii", 1, 0)
_IN_USE = (
    326,
    "Unable to connect as the client id is already in use. Retry with a unique client id.",
)
_QUESTIONS = frozenset(
    {
        "reqOpenOrders",
        "reqAllOpenOrders",
        "reqCompletedOrders",
        "reqExecutions",
        "reqPositions",
        "reqPositionsMulti",
        "reqAccountUpdates",
        "reqAccountUpdatesMulti",
        "reqAccountSummary",
        "reqMktData",
        "reqTickByTickData",
        "reqContractDetails",
        "reqSecDefOptParams",
        "reqPnL",
    }
)


class Session:
    """From the first byte to the last."""

    def __init__(self, gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._gateway = gateway
        self._reader = reader
        self._writer = writer
        self._arrivals: deque[float] = deque()
        self._strikes = 0
        self._waiting: deque[tuple[float, bytes]] = deque()
        #: −1 until startApi.
        self.client_id = -1
        self.version = 0
        #: Of reqMarketDataType: 1 live, 2 frozen, 3 delayed.
        self.data_type = 1
        self.wants_positions = False
        self.account_window: str | None = None
        #: Keys of what was told of it as held.
        self.portfolio: list[str] = []
        self.multi: dict[int, dict[str, object]] = {}
        self.watched: dict[int, Watched] = {}
        self._answers = self._make_answers()

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            await self._greet()
            while True:
                self._received(await self._frame())
        except (asyncio.IncompleteReadError, OSError):
            pass
        except Malformed as error:
            self._gateway.violations.add(str(error))
        finally:
            self._writer.close()

    async def _greet(self) -> None:
        if await self._reader.readexactly(4) != b"API\0":
            raise Malformed("a connection begins with API and NUL")
        hello = _HELLO.fullmatch(await self._frame())
        if hello is None:
            raise Malformed("the first frame names versions as v100..178")
        lowest, highest = int(hello[1]), int(hello[2])
        self.version = min(self._gateway.server_version, highest)
        if self.version < max(lowest, 176):
            raise Malformed(f"this fake speaks server versions 176 to 178, not up to {highest}")
        self.say([self.version, f"{answers.utc_now():%Y%m%d %H:%M:%S} EST"])

    async def _frame(self) -> bytes:
        length = length_of(await self._reader.readexactly(4))
        if length > _LONGEST:
            raise Malformed(f"a frame of {length} bytes")
        return await self._reader.readexactly(length)

    def _received(self, body: bytes) -> None:
        if self._gateway.tricks.black_hole:
            return
        if not self._within_budget():
            return
        try:
            fields = fields_of(body)
            request = requests.parse(fields, self.version)
        except Malformed as error:
            self._gateway.violations.add(str(error))
            self.say(
                answers.error(320, f"Server error when reading an API client request. {error}")
            )
            return
        self._answer(request, fields[1:])

    def _within_budget(self) -> bool:
        now = time.monotonic()
        self._arrivals.append(now)
        while self._arrivals[0] <= now - 1:
            self._arrivals.popleft()
        count = len(self._arrivals)
        self._gateway.stats.count(self.client_id, count)
        if count <= _BUDGET * (1 + self._gateway.stalled_seconds()):
            return True
        self._gateway.violations.add(f"client {self.client_id}: {count} messages in one second")
        self.say(answers.error(*TOO_MANY))
        self._strikes += 1
        if self._strikes >= _STRIKES:
            self.close()
        return False

    def _answer(self, request: Request, wire: list[str]) -> None:
        if request.name == "startApi":
            self._start(request.fields["clientId"])
            return
        if self.client_id < 0:
            raise Malformed(f"{request.name} before startApi")
        if self._gateway.tricks.mutes(request.name):
            return
        if request.name == "placeOrder":
            self._gateway.desk.place(self, request.fields, wire)
        elif request.name in _QUESTIONS:
            self._gateway.ask(self, request, lambda: self._answers[request.name](request.fields))
        else:
            self._answers[request.name](request.fields)

    def _start(self, client_id: int) -> None:
        if self.client_id >= 0:
            raise Malformed("startApi twice")
        if not self._gateway.admit(self, client_id):
            self.say(answers.error(*_IN_USE))
            self.close()
            return
        self.client_id = client_id
        self.say(answers.managed_accounts(self._gateway.accounts))
        self.say(answers.next_valid_id(self._gateway.memory.highest(client_id) + 1))
        for code, words in self._gateway.farms():
            self.say(answers.error(code, words))

    def _make_answers(self) -> dict[str, Callable[[dict[str, object]], None]]:
        """By name of the request; what is only cancelled or set is done at once."""
        gateway, asked = self._gateway, self._gateway.queries
        return {
            "cancelOrder": lambda told: gateway.desk.cancel(self, told["orderId"]),
            "reqGlobalCancel": lambda _: gateway.desk.cancel_all(),
            "reqOpenOrders": lambda _: asked.open_orders(self, everybody=False),
            "reqAllOpenOrders": lambda _: asked.open_orders(self, everybody=True),
            "reqAutoOpenOrders": lambda _: self._auto_bind(),
            "reqCompletedOrders": lambda told: asked.completed_orders(
                self, api_only=told["apiOnly"]
            ),
            "reqExecutions": lambda told: asked.executions(self, told),
            "reqPositions": lambda _: asked.positions(self),
            "cancelPositions": lambda _: setattr(self, "wants_positions", False),
            "reqPositionsMulti": lambda told: asked.positions_multi(self, told),
            "cancelPositionsMulti": lambda _: None,
            "reqAccountUpdates": lambda told: asked.account_updates(self, told),
            "reqAccountUpdatesMulti": self._account_multi,
            "cancelAccountUpdatesMulti": lambda told: self.multi.pop(told["reqId"], None),
            "reqAccountSummary": lambda told: asked.account_summary(self, told),
            "cancelAccountSummary": lambda _: None,
            "reqPnL": lambda told: asked.pnl(self, told),
            "cancelPnL": lambda _: None,
            "reqContractDetails": lambda told: asked.contract_details(self, told),
            "reqSecDefOptParams": lambda told: asked.option_parameters(self, told),
            "reqMarketRule": lambda told: gateway.tell_market_rule(self, told["ruleId"]),
            "reqMktData": lambda told: gateway.quotes.ask(self, told),
            "cancelMktData": lambda told: self.watched.pop(told["reqId"], None),
            "reqTickByTickData": lambda told: gateway.quotes.ask_ticks(self, told),
            "cancelTickByTickData": lambda told: self.watched.pop(told["reqId"], None),
            "reqMarketDataType": lambda told: setattr(self, "data_type", told["type"]),
            "reqCurrentTime": lambda _: self.say(answers.current_time(answers.utc_now())),
            "reqManagedAccts": lambda _: self.say(answers.managed_accounts(gateway.accounts)),
            "reqIds": lambda _: self.say(
                answers.next_valid_id(gateway.memory.highest(self.client_id) + 1)
            ),
            "setServerLogLevel": lambda _: None,
        }

    def _account_multi(self, told: dict[str, object]) -> None:
        self.multi[told["reqId"]] = told
        self._gateway.queries.account_multi(self, told)

    def _auto_bind(self) -> None:
        if self.client_id:
            words = "Only the default client (i.e 0) can auto bind orders"
            self.say(answers.error(327, words))

    def say(self, fields: list[object]) -> None:
        """One message to the client, in its turn."""
        delay = self._gateway.tricks.delay_seconds
        if self._gateway.tricks.black_hole or self._writer.is_closing():
            return
        if delay or self._waiting:
            self._waiting.append((time.monotonic() + delay, frame(fields)))
        else:
            self._writer.write(frame(fields))

    def flush(self) -> None:
        """Let go of what was said so long ago as it is delayed."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._writer.write(self._waiting.popleft()[1])

    def say_garbage(self) -> None:
        """An openOrder that ends in the middle: no client can read it."""
        self.say([5, "garbage", "on command"])

    def close(self) -> None:
        """End the connection in order, behind what has been said (FIN)."""
        self._gateway.leave(self)
        self._writer.close()

    def abort(self) -> None:
        """Cut the connection (RST)."""
        self._gateway.leave(self)
        link = self._writer.get_extra_info("socket")
        if link is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()
