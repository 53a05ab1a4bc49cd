#!/usr/bin/env python3
"""Who may send for a strategy, what its signals may leave out; keys and passwords of people.

    python3 scripts/credentials.py list STRATEGY
    python3 scripts/credentials.py create STRATEGY [--kind api|webhook|signing] [--label TEXT]
    python3 scripts/credentials.py rotate STRATEGY CREDENTIAL_ID [--overlap-h HOURS]
    python3 scripts/credentials.py revoke STRATEGY CREDENTIAL_ID
    python3 scripts/credentials.py senders STRATEGY [TRADINGVIEW | ADDRESS | CIDR | any] ...
    python3 scripts/credentials.py defaults STRATEGY ['{"account_equity": 100000}']
    python3 scripts/credentials.py operator NAME
    python3 scripts/credentials.py password NAME [--remove-totp]

`operator` makes a key for scripts. `password` makes a password for one log-in, of somebody who has
only keys, or has lost theirs; `--remove-totp` where the telephone is lost, too. Both need nothing
but the database, so they work when nobody can log in. Whoever is logged in as NAME no longer is.

A new secret is printed once and stored nowhere in clear. After a rotation the old one works for
the overlap (24 hours unless said), so that a sender can change over without missing a signal.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from services.common.credentials import CredentialKind
from services.common.passwords import Passwords
from services.common.problems import Refusal
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.common.users import Signature, reset_password
from services.common.vault import Vault
from services.domain.errors import InvalidSignal, TraderError
from services.domain.payloads import read_object
from services.signal_gateway.credentials import Credentials, Made

_KINDS = {
    "api": CredentialKind.API_KEY,
    "webhook": CredentialKind.WEBHOOK_TOKEN,
    "signing": CredentialKind.SIGNING_KEY,
}


def main() -> int:
    """Run one command; exit code 1 where it is refused."""
    arguments = _arguments()
    try:
        settings = load(CommonSettings)
        store = Store.connect(settings)
        try:
            store.ping()
            if arguments.command == "password":
                _reset_password(arguments, store)
            else:
                _run(arguments, Credentials(store, Vault(settings)), settings)
        finally:
            store.close()
    except (Refusal, TraderError) as error:
        print(f"credentials: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--by", default=getpass.getuser(), help="your name, for the audit log")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (
        ("list", "every credential of a strategy"),
        ("create", "a new one"),
        ("rotate", "a successor, and an end for the old one"),
        ("revoke", "end one now"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("strategy")
        if name in {"rotate", "revoke"}:
            command.add_argument("credential_id")
        if name == "create":
            command.add_argument("--kind", choices=_KINDS, default="api")
            command.add_argument("--label", default="")
        if name == "rotate":
            command.add_argument("--overlap-h", type=float, default=24.0, metavar="HOURS")
    senders = commands.add_parser("senders", help="addresses that may use its webhook")
    senders.add_argument("strategy")
    senders.add_argument("addresses", nargs="*", help="none = show them, any = every address")
    defaults = commands.add_parser("defaults", help="fields that its signals may leave out")
    defaults.add_argument("strategy")
    defaults.add_argument("fields", nargs="?", help="a JSON object; none = show them")
    commands.add_parser("operator", help="a key for a person").add_argument("name")
    password = commands.add_parser("password", help="a password for one log-in of a person")
    password.add_argument("name")
    password.add_argument("--remove-totp", action="store_true", help="and no second factor")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, credentials: Credentials, settings: CommonSettings) -> None:
    by = arguments.by
    if arguments.command == "operator":
        made = credentials.create_operator(arguments.name, by=by)
        print(f"operator {arguments.name}: {made.secret}")
    elif arguments.command in {"senders", "defaults"}:
        print(json.dumps(_set_intake(arguments, credentials), default=str))
    elif arguments.command == "list":
        for each in credentials.of(arguments.strategy):
            ended = "revoked" if each.get("revoked_at") else each.get("expires_at") or "valid"
            print(
                f"{each['credential_id']}  {each['kind']:<13}  …{each.get('hint', '')}  "
                f"{each['created_at']:%Y-%m-%d %H:%M}  {ended}  {each.get('label', '')}".rstrip()
            )
    elif arguments.command == "create":
        kind = _KINDS[arguments.kind]
        _print(credentials.create(arguments.strategy, kind, label=arguments.label, by=by), settings)
    elif arguments.command == "rotate":
        overlap = arguments.overlap_h * 3600
        rotated = credentials.rotate(
            arguments.strategy, arguments.credential_id, overlap_seconds=overlap, by=by
        )
        _print(rotated, settings)
        print(f"{arguments.credential_id} works for {arguments.overlap_h:g} hours more")
    else:
        credentials.revoke(arguments.strategy, arguments.credential_id, by=by)
        print(f"{arguments.credential_id} is revoked")


def _reset_password(arguments: argparse.Namespace, store: Store) -> None:
    password = reset_password(
        store,
        Passwords(),
        arguments.name,
        signed=Signature(arguments.by, "operator"),
        without_second_factor=arguments.remove_totp,
    )
    print(f"password of {arguments.name} for one log-in: {password}")


def _set_intake(arguments: argparse.Namespace, credentials: Credentials) -> dict[str, Any]:
    """What was asked for, once it holds."""
    strategy, by = arguments.strategy, arguments.by
    if arguments.command == "senders":
        given = arguments.addresses
        senders = [each for each in given if each.lower() != "any"] if given else None
        return credentials.set_intake(strategy, senders=senders, by=by)
    try:
        defaults = read_object(arguments.fields) if arguments.fields else None
    except InvalidSignal as error:
        raise Refusal(422, error.code, str(error)) from error
    return credentials.set_intake(strategy, defaults=defaults, by=by)


def _print(made: Made, settings: CommonSettings) -> None:
    """A new secret with the line that uses it."""
    url = f"http://127.0.0.1:{settings.port('signal_gateway')}"
    print(f"{made.credential_id}  {made.kind}  {made.secret}")
    if made.kind is CredentialKind.WEBHOOK_TOKEN:
        print(f"webhook: {url}/webhook/{made.secret}")
    elif made.kind is CredentialKind.SIGNING_KEY:
        print(f"headers: X-MT-Key: {made.credential_id}, X-MT-Timestamp, X-MT-Signature")
    else:
        print(f"header: Authorization: Bearer {made.secret}")


if __name__ == "__main__":
    sys.exit(main())
