#!/usr/bin/env python3
"""Show or change how a strategy or an account trades: mode, sizing, accounts, margin rules.

    python3 scripts/configure.py strategy SPX_1-D_Opt
    python3 scripts/configure.py strategy SPX_1-D_Opt mode=LIVE --reason "approved by the board"
    python3 scripts/configure.py strategy SPX_1-D_Opt --reason "smaller" \\
        'sizing={"policy": "RISK_PER_TRADE", "ratio": "0.005"}'
    python3 scripts/configure.py strategy SPX_1-D_Opt group_policy=UNWIND \\
        'square_off=Asia/Kolkata 15:20 1-5' --reason "flat overnight"
    python3 scripts/configure.py account IB-1 previews_margin=true margin_model=PORTFOLIO

Values are JSON, or plain words; `null` takes one back to its default. What would not be valid is
refused and changes nothing; what is changed holds for the next signal within a second, and is in
the audit log with before and after. Allocations are approved elsewhere, limits are `limits.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pydantic import BaseModel, ValidationError
from pymongo.client_session import ClientSession

from scripts.tool import add_signature, operate
from services.common.audit import audit
from services.common.scopes import check_signed, faults_of
from services.common.store import Document, Store, from_document
from services.domain.accounts import AccountSnapshot, Strategy
from services.domain.errors import ConfigurationError

#: What a person sets; everything else of these documents is kept by processes.
FIELDS: Final[dict[str, tuple[str, type[BaseModel], tuple[str, ...]]]] = {
    "strategy": (
        "strategies",
        Strategy,
        (
            "status",
            "mode",
            "accounts",
            "instrument_types",
            "max_signal_age_seconds",
            "sizing",
            "equity_base",
            "split",
            "priority",
            "min_size_ratio",
            "group_policy",
            "square_off",
        ),
    ),
    "account": (
        "trading_accounts",
        AccountSnapshot,
        ("status", "instrument_types", "margin_model", "previews_margin"),
    ),
}


def shown(store: Store, kind: str, name: str) -> dict[str, Any]:
    """What is set of one, and the defaults of what is not. Raises: ConfigurationError."""
    collection, model, fields = FIELDS[kind]
    row = store[collection].find_one({"_id": name})
    if row is None:
        raise ConfigurationError(f"there is no {kind} named {name!r}")
    return _checked(model, row).model_dump(mode="json", include=set(fields))


def configure(
    store: Store, kind: str, name: str, changes: Mapping[str, Any], *, by: str, reason: str
) -> dict[str, Any]:
    """Change fields of a strategy or an account; None takes one back to its default.

    Raises: ConfigurationError: no such field or document, or the result would not be valid.
    """
    check_signed(by, reason)
    collection, model, fields = FIELDS[kind]
    unknown = sorted(changes.keys() - set(fields))
    if unknown:
        known = ", ".join(fields)
        raise ConfigurationError(f"{kind} has no field {unknown[0]!r} to set; there are {known}")

    def work(session: ClientSession) -> None:
        row = store[collection].find_one({"_id": name}, session=session)
        if row is None:
            raise ConfigurationError(f"there is no {kind} named {name!r}")
        kept = {key: value for key, value in row.items() if changes.get(key, value) is not None}
        wanted = kept | {key: value for key, value in changes.items() if value is not None}
        after = _checked(model, wanted).model_dump(include=set(changes))
        _check_accounts(store, wanted, session)
        update: Document = {"$set": {key: after[key] for key in changes if key in wanted}}
        removed = {key: "" for key in changes if key not in wanted}
        update = {op: of for op, of in {**update, "$unset": removed}.items() if of}
        store[collection].update_one({"_id": name}, update, session=session)
        facts = {
            kind: name,
            "reason": reason,
            "before": {key: row.get(key) for key in changes},
            "after": {key: after[key] if key in wanted else None for key in changes},
        }
        audit(store, "CONFIGURED", service="operator", by=by, facts=facts, session=session)

    store.transaction(work)
    return shown(store, kind, name)


def _checked(model: type[BaseModel], row: Document) -> BaseModel:
    try:
        return from_document(model, row)
    except ValidationError as error:
        raise ConfigurationError(faults_of(error)) from error


def _check_accounts(store: Store, row: Document, session: ClientSession) -> None:
    for each in row.get("accounts", ()):
        found = store["trading_accounts"].find_one({"_id": each["account_id"]}, session=session)
        if found is None:
            raise ConfigurationError(f"there is no account named {each['account_id']!r}")


def value_of(text: str) -> Any:  # noqa: ANN401 - whatever JSON says; the model checks it
    """A value as it is typed: JSON, else the words themselves; numbers stay exact."""
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return text


def main(argv: Sequence[str] | None = None) -> int:
    """Show, or change and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=sorted(FIELDS))
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
