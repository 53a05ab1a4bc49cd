#!/usr/bin/env python3
"""Log an account in at Zerodha: every morning, because its access token dies at night.

    python3 scripts/zerodha_login.py ZE-1                  # asks for the address you come back to
    python3 scripts/zerodha_login.py ZE-1 --listen 8765    # waits for your browser to come back

Open the address that is printed, log in, and paste the address that the browser is sent to (or the
request_token in it). With `--listen` the redirect URL of the app at developers.kite.trade must be
http://127.0.0.1:PORT/. What is kept is sealed and never shown; whoever trades the account takes it
within seconds, and what waited for the login goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from brokers.accounts import zerodha_link
from brokers.zerodha.client import ACCESS_TOKEN
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.login import log_in, login_url, request_token_of
from brokers.zerodha.times import INDIA, token_ends
from scripts.tool import add_signature, operate
from services.common.broker_accounts import BrokerAccounts
from services.common.broker_secrets import environment_name, secrets_of, store_secret
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError

_TIMEOUT_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    """Log in; exit code 1, with a sentence, where it fails."""
    arguments = _parser().parse_args(argv)
    return operate("zerodha_login", lambda store: _run(store, arguments))


def _run(store: Store, arguments: argparse.Namespace) -> int:
    account_id, vault = arguments.account, Vault(load(CommonSettings))
    link = _link(store, vault, account_id)
    secrets = secrets_of(store, vault, account_id)
    if "api_secret" not in secrets:
        raise ConfigurationError(
            f"account {account_id} has no api_secret: "
            f"run scripts/accounts.py secret {account_id} api_secret"
        )
    _check_not_given(store, vault, account_id)
    print(f"Log in as {link.user_id or 'the user of the account'} here:\n\n    {login_url(link)}\n")
    told = _heard(arguments.listen) if arguments.listen else _typed()
    try:
        token = request_token_of(told)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    login = log_in(link, token, secrets["api_secret"], _TIMEOUT_SECONDS)
    store_secret(store, vault, account_id, ACCESS_TOKEN, login.access_token, by=arguments.by)
    ends = token_ends(datetime.now(UTC)).astimezone(INDIA)
    print(f"account {account_id}: {login.user_id} is logged in until {ends:%Y-%m-%d %H:%M} IST")
    return 0


def _link(store: Store, vault: Vault, account_id: str) -> ZerodhaLink:
    row = store["trading_accounts"].find_one({"_id": account_id})
    if row is None:
        raise ConfigurationError(f"there is no account named {account_id!r}")
    account = BrokerAccounts(store, vault).read(row)
    if account.broker != "ZERODHA":
        raise ConfigurationError(f"account {account_id} is at {account.broker}, not at ZERODHA")
    return zerodha_link(account)


def _check_not_given(store: Store, vault: Vault, account_id: str) -> None:
    """What is in the environment wins: a login would change nothing."""
    given = secrets_of(store, vault, account_id).get(ACCESS_TOKEN)
    stored = secrets_of(store, vault, account_id, environ={}).get(ACCESS_TOKEN)
    if given is not None and given != stored:
        name = environment_name(account_id, ACCESS_TOKEN)
        raise ConfigurationError(f"{name} is set and wins over every login: take it away first")


def _typed() -> str:
    print("The address that the browser was sent to, or its request_token: ", end="", flush=True)
    return sys.stdin.readline()


def _heard(port: int) -> str:
    """The path that a browser asks for on this machine. Raises: ConfigurationError."""
    heard: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if "request_token=" in self.path:
                heard.append(self.path)
            self.send_response(200 if heard else 404)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"Thank you; go back to the terminal.\n" if heard else b"")

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            """The path holds the token: nothing is logged."""

    try:
        server = HTTPServer(("127.0.0.1", port), Redirect)
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be listened on: {error}") from error
    print(f"Waiting {_PATIENCE_SECONDS:g} s for the browser on http://127.0.0.1:{port}/ …")
    until = datetime.now(UTC).timestamp() + _PATIENCE_SECONDS
    with server:
        while not heard and (left := until - datetime.now(UTC).timestamp()) > 0:
            server.timeout = left
            server.handle_request()
    if not heard:
        raise ConfigurationError(f"no browser came back within {_PATIENCE_SECONDS:g} s")
    return heard[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("account", help="account_id")
    parser.add_argument("--listen", type=int, metavar="PORT", help="wait for the browser there")
    add_signature(parser, reason=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
