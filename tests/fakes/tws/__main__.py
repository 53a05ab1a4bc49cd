"""A fake TWS / IB Gateway as a process: `python -m tests.fakes.tws --port P --control-port C …`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from services.domain.words import TimeInForce
from tests.fakes.tws import control
from tests.fakes.tws.gateway import Gateway
from tests.fakes.tws.memory import Memory
from tests.fakes.venue import EVERYTHING, Venue

#: Auctions are played as orders that fill when they come.
_ABLE = EVERYTHING.model_copy(
    update={
        "times_in_force": EVERYTHING.times_in_force | {TimeInForce.OPG, TimeInForce.CLS},
    }
)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = _arguments()
    logging.basicConfig(level=logging.WARNING)
    venue = Venue(arguments.path, currency=arguments.currency, capabilities=_ABLE)
    memory = Memory(arguments.path)
    gateway = Gateway(
        venue,
        memory,
        accounts=arguments.accounts.split(","),
        server_version=arguments.server_version,
        zone=arguments.timezone,
        master=arguments.master_client,
    )
    control.add_routes(venue.app, gateway)
    venue.on_start_over(lambda: gateway.call(gateway.forget))
    try:
        asyncio.run(_serve(venue, gateway, arguments))
    finally:
        venue.stop()
        memory.close()


async def _serve(venue: Venue, gateway: Gateway, arguments: argparse.Namespace) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    begin = lambda: venue.start(  # noqa: E731 - said once
        arguments.host, arguments.control_port, on_death=_die
    )
    try:
        await gateway.serve(arguments.host, arguments.port, begin)
    except asyncio.CancelledError:
        return


def _die(sentence: str) -> None:
    logging.critical("the control port died: %s", sentence)  # noqa: LOG015 - the process ends
    os._exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="of the TWS protocol")
    parser.add_argument("--control-port", type=int, required=True, help="of commands over HTTP")
    parser.add_argument("--path", type=Path, required=True, help="of the books")
    parser.add_argument("--accounts", default="DU1000001", help="of the login, by commas")
    parser.add_argument("--currency", default="INR", help="of all accounts")
    parser.add_argument("--server-version", type=int, default=178, choices=(176, 177, 178))
    parser.add_argument("--timezone", default="US/Eastern", help="of the login")
    parser.add_argument("--master-client", type=int, help="hears of everybody's orders")
    return parser.parse_args()


if __name__ == "__main__":
    main()
