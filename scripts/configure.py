#!/usr/bin/env python3
"""Show or change how a strategy or an account trades: mode, sizing, accounts, margin rules.

    python3 scripts/configure.py strategy SPX_1-D_Opt
    python3 scripts/configure.py strategy SPX_1-D_Opt mode=LIVE --reason "approved by the board"
    python3 scripts/configure.py strategy SPX_1-D_Opt --reason "smaller" \\
        'sizing={"policy": "RISK_PER_TRADE", "ratio": "0.005"}'
    python3 scripts/configure.py strategy SPX_1-D_Opt group_policy=UNWIND \\
        'square_off=Asia/Kolkata 15:20 1-5' --reason "flat overnight"
    python3 scripts/configure.py account IB-1 previews_margin=true margin_model=PORTFOLIO \\
        --reason "portfolio margin"

Values are JSON, or plain words; `null` takes one back to its default. What would not be valid is
refused and changes nothing; what is changed holds for the next signal within a second, and is in
the audit log with before and after. Allocations are approved elsewhere, limits are `limits.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from scripts.tool import add_signature, operate
from services.common.audit import audit
from services.common.problems import Refusal
from services.common.scopes import check_signed, faults_of
from services.common.store import Document, Store, from_document
from services.domain.accounts import AccountSnapshot
from services.domain.errors import ConfigurationError
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_terms import SETTABLE

T = TypeVar("T")

#: What a person sets of an account; everything else of these documents is kept by processes.
ACCOUNT_FIELDS: Final = ("status", "instrument_types", "margin_model", "previews_margin")
KINDS: Final = ("account", "strategy")


def shown(store: Store, kind: str, name: str) -> dict[str, Any]:
    """What is set of one, and the defaults of what is not. Raises: ConfigurationError."""
    if kind == "strategy":
        return _said(lambda: Strategies(store).one(name)).model_dump(
            mode="json", include=set(SETTABLE)
        )
    return _checked(_account(store, name)).model_dump(mode="json", include=set(ACCOUNT_FIELDS))


def configure(
    store: Store, kind: str, name: str, changes: Mapping[str, Any], *, by: str, reason: str
) -> dict[str, Any]:
    """Change fields of a strategy or an account; None takes one back to its default.

    Raises: ConfigurationError: no such field or document, or the result would not be valid.
    """
    if kind == "strategy":
        strategies = Strategies(store)
        _said(lambda: strategies.change(name, changes, version=None, by=by, reason=reason))
    else:
        _configure_account(store, name, changes, by=by, reason=reason)
    return shown(store, kind, name)


def _configure_account(
    store: Store, name: str, changes: Mapping[str, Any], *, by: str, reason: str
) -> None:
    check_signed(by, reason)
    unknown = sorted(changes.keys() - set(ACCOUNT_FIELDS))
    if unknown:
        known = ", ".join(ACCOUNT_FIELDS)
        raise ConfigurationError(f"account has no field {unknown[0]!r} to set; there are {known}")

    def work(session: ClientSession) -> None:
        row = _account(store, name, session)
        kept = {key: value for key, value in row.items() if changes.get(key, value) is not None}
        wanted = kept | {key: value for key, value in changes.items() if value is not None}
        after = _checked(wanted).model_dump(include=set(changes))
        update: Document = {"$set": {key: after[key] for key in changes if key in wanted}}
        removed = {key: "" for key in changes if key not in wanted}
        update = {op: of for op, of in {**update, "$unset": removed}.items() if of}
        store["trading_accounts"].update_one({"_id": name}, update, session=session)
        facts = {
            "account": name,
            "reason": reason,
            "before": {key: row.get(key) for key in changes},
            "after": {key: after[key] if key in wanted else None for key in changes},
        }
        audit(store, "CONFIGURED", service="operator", by=by, facts=facts, session=session)

    store.transaction(work)


def _account(store: Store, name: str, session: ClientSession | None = None) -> Document:
    row = store["trading_accounts"].find_one({"_id": name}, session=session)
    if row is None:
        raise ConfigurationError(f"there is no account named {name!r}")
    return row


def _checked(row: Document) -> AccountSnapshot:
    try:
        return from_document(AccountSnapshot, row)
    except ValidationError as error:
        raise ConfigurationError(faults_of(error)) from error


def _said(work: Callable[[], T]) -> T:
    try:
        return work()
    except Refusal as error:
        raise ConfigurationError(str(error)) from error


def value_of(text: str) -> Any:  # noqa: ANN401 - whatever JSON says; the model checks it
    """A value as it is typed: JSON, else the words themselves; numbers stay exact."""
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return text


def main(argv: Sequence[str] | None = None) -> int:
    """Show, or change and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="strategy_id or account_id")
    parser.add_argument("changes", nargs="*", metavar="FIELD=VALUE")
    add_signature(parser, reason=False)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; needed for a change")
    arguments = parser.parse_intermixed_args(argv)  # changes may stand behind an option

    def work(store: Store) -> int:
        found = shown(store, arguments.kind, arguments.name)
        if arguments.changes:
            pairs = [each.partition("=") for each in arguments.changes]
            changes = {name: value_of(text) for name, _, text in pairs}
            found = configure(
                store,
                arguments.kind,
                arguments.name,
                changes,
                by=arguments.by,
                reason=arguments.reason,
            )
        print(json.dumps(found, indent=2))
        return 0

    return operate("configure", work)


if __name__ == "__main__":
    sys.exit(main())
