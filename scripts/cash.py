#!/usr/bin/env python3
"""Deposits and withdrawals of accounts, and what an equity was that nothing explains.

    python3 scripts/cash.py list IB-1
    python3 scripts/cash.py deposit IB-1 5000 --id wire-2026-11-20 --reason "wire of the client"
    python3 scripts/cash.py withdraw IB-1 250.50 --id fee-11 --currency EUR --reason "fee" \\
        --at 2026-11-20T14:00Z
    python3 scripts/cash.py reverse IB-1 fee-11 --id fee-11-back --reason "another account"
    python3 scripts/cash.py settle IB-1 fee-11 --at 2026-11-21T09:00Z --reason "seen in TWS"
    python3 scripts/cash.py doubted
    python3 scripts/cash.py confirm IB-1 --as gain-or-loss --reason "the market fell"
    python3 scripts/cash.py confirm IB-1 --as flow --id wire-7 --reason "a wire nobody had entered"

A payment is entered before or after its broker shows it: it is found by the cash that fills do not
explain (`--shown yes|no` says it instead), and moves neither gain nor drawdown. The same id again
is the same payment. What was entered wrongly is taken back by `reverse`; both entries stay.
`confirm` is of the doubt that `doubted` shows; `--amount` is what was paid, if it was not all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pydantic import ValidationError

from scripts.tool import add_signature, operate
from services.account_data.capital import Capital
from services.account_data.recording import Payment, Signed
from services.account_data.states import States
from services.common.clock import utc_now
from services.common.scopes import faults_of
from services.common.settings import AccountDataSettings
from services.common.settings_file import load
from services.common.store import Store, from_document
from services.domain.capital import CapitalFlow
from services.domain.errors import ConfigurationError
from services.domain.risk import EquityJump

_MEANINGS = ("gain-or-loss", "flow")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1, with a sentence, where it is refused."""
    arguments = _parser().parse_args(argv)
    return operate("cash", lambda store: _run(store, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (
        ("list", "payments of an account"),
        ("deposit", "money that was paid in"),
        ("withdraw", "money that was paid out"),
        ("reverse", "take back what was entered"),
        ("settle", "say when money came that the broker's cash does not show"),
        ("confirm", "say what a doubted equity was"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("account", help="account_id")
        if name in {"deposit", "withdraw"}:
            command.add_argument("amount", type=_amount, help="above 0")
            command.add_argument("--currency", metavar="CODE", help="default: the account's")
            command.add_argument("--shown", choices=("yes", "no"), help="by the broker already")
            command.add_argument(
                "--confirm-large", action="store_true", help="more than the equity is meant"
            )
        if name in {"reverse", "settle"}:
            command.add_argument("flow", help="flow_id")
        if name in {"deposit", "withdraw", "reverse", "confirm"}:
            command.add_argument(
                "--id", required=name != "confirm", metavar="ID", help="of your own making"
            )
        if name in {"deposit", "withdraw", "settle"}:
            command.add_argument(
                "--at", type=_time, required=name == "settle", help="when; with its time zone"
            )
        if name == "confirm":
            command.add_argument("--as", dest="meaning", required=True, choices=_MEANINGS)
            command.add_argument("--amount", type=_number, help="signed; default: all of it")
        if name != "list":
            add_signature(command)
    commands.add_parser("doubted", help="accounts whose equity nothing explains")
    return parser


def _number(word: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{word!r} is no number") from error
    if not number.is_finite():
        raise argparse.ArgumentTypeError(f"{word!r} is no number")
    return number


def _amount(word: str) -> Decimal:
    number = _number(word)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"an amount is above 0, was {word!r}")
    return number


def _time(word: str) -> datetime:
    try:
        moment = datetime.fromisoformat(word.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is no time") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{word!r} names no time zone: end it with Z for UTC")
    return moment


def _run(store: Store, arguments: argparse.Namespace) -> int:
    settings = load(AccountDataSettings)
    ratio, currency = settings.equity_jump_pct / 100, settings.fund_currency
    capital = Capital(store, fund_currency=currency, jump_ratio=ratio)
    if arguments.command == "doubted":
        return _doubted(store)
    name = arguments.account
    if arguments.command == "list":
        for flow in capital.flows(name):
            print(_words(flow))
        return 0
    signed = Signed(arguments.by, arguments.reason)
    if arguments.command == "confirm":
        print(_confirm(store, capital, arguments, signed))
    elif arguments.command == "reverse":
        print(_words(capital.reverse(name, arguments.flow, signed, reversal_id=arguments.id)))
    elif arguments.command == "settle":
        print(_words(capital.settle(name, arguments.flow, signed, at=arguments.at)))
    else:
        print(_words(capital.record(name, _payment(arguments), signed)))
    States(store, fund_currency=currency, jump_ratio=ratio).keep_fund(name, now=utc_now())
    return 0


def _payment(arguments: argparse.Namespace) -> Payment:
    sign = 1 if arguments.command == "deposit" else -1
    try:
        return Payment(
            flow_id=arguments.id,
            amount=arguments.amount * sign,
            currency=arguments.currency,
            effective_at=arguments.at,
            shown=None if arguments.shown is None else arguments.shown == "yes",
            confirm_large=arguments.confirm_large,
        )
    except ValidationError as error:
        raise ConfigurationError(faults_of(error)) from error


def _confirm(store: Store, capital: Capital, arguments: argparse.Namespace, signed: Signed) -> str:
    is_flow = arguments.meaning == "flow"
    if is_flow is (arguments.id is None) or (arguments.amount is not None and not is_flow):
        raise ConfigurationError("--as flow takes --id, and --amount; --as gain-or-loss neither")
    jump = _jump(store, arguments.account)
    if jump is None:
        raise ConfigurationError(f"the equity of account {arguments.account} is not doubted")
    payment = None
    if is_flow:
        amount = jump.unexplained if arguments.amount is None else arguments.amount
        payment = Payment(flow_id=arguments.id, amount=amount, effective_at=jump.seen_at)
    return capital.confirm(arguments.account, jump.jump_id, signed, payment=payment)


def _jump(store: Store, account_id: str) -> EquityJump | None:
    row = store["trading_accounts"].find_one({"_id": account_id}, {"jump": 1}) or {}
    return from_document(EquityJump, row["jump"]) if row.get("jump") else None


def _doubted(store: Store) -> int:
    rows = store["trading_accounts"].find({"jump": {"$ne": None}}, {"jump": 1}).sort("_id", 1)
    sentences = [row["jump"]["sentence"] for row in rows if row.get("jump")]
    print("\n".join(sentences) or "no equity is doubted")
    return 1 if sentences else 0


def _words(flow: CapitalFlow) -> str:
    settled = f" since {flow.settled_at:%Y-%m-%d %H:%M}" if flow.settled_at else ""
    return (
        f"{flow.flow_id:<24} {flow.effective_at:%Y-%m-%d %H:%M} {flow.amount:>+16,f} "
        f"{flow.currency} {flow.status}{settled}, by {flow.by}: {flow.reason}"
    )


if __name__ == "__main__":
    sys.exit(main())
