"""What the operator's tools share: one connection, refusals as a sentence, percentages, output."""

from __future__ import annotations

import argparse
import getpass
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from pydantic import BaseModel, ValidationError
from pymongo.errors import PyMongoError

from services.common.problems import Refusal
from services.common.scopes import faults_of
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import ConfigurationError, TraderError
from services.domain.signals import plain
from services.domain.words import Scope


def end_when_told() -> None:
    """Have SIGTERM end this process by its `finally`s, once: a second one must not end those."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def operate(name: str, work: Callable[[Store], int | None]) -> int:
    """Run `work` on the database of this instance; exit code 1, with a sentence, where it fails."""
    try:
        store = Store.connect(load(CommonSettings))
        try:
            store.ping()
            return work(store) or 0
        finally:
            store.close()
    except (TraderError, Refusal) as error:
        print(f"{name}: {error}", file=sys.stderr)
    except ValidationError as error:
        print(f"{name}: {faults_of(error)}", file=sys.stderr)
    except PyMongoError as error:
        print(f"{name}: the database went away: {type(error).__name__}", file=sys.stderr)
    return 1


def run(
    name: str,
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    work: Callable[[Store, argparse.Namespace], int | None],
) -> int:
    """`operate` with what was typed, where it names a `command`; help where it does not."""
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    return operate(name, lambda store: work(store, arguments))


def add_signature(parser: argparse.ArgumentParser, *, reason: bool = True) -> None:
    """Who wants it, and why."""
    parser.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="your name")
    if reason:
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why")


def scope_of(word: str) -> Scope:
    """A scope as a person types it: `account`, `asset-class`. Raises: ArgumentTypeError."""
    name = word.strip().upper().replace("-", "_")
    if name not in Scope.__members__:
        known = ", ".join(Scope)
        raise argparse.ArgumentTypeError(f"{word!r} is no scope; there are {known}")
    return Scope(name)


def ratio_of(word: str) -> Decimal:
    """A share as a person types it: `0.1` or `10%`. Raises: ConfigurationError."""
    text = word.strip()
    try:
        number = Decimal(text.removesuffix("%"))
    except InvalidOperation as error:
        raise ConfigurationError(
            f"a share must be a number such as 0.1 or 10%, was {word!r}"
        ) from error
    return number / 100 if text.endswith("%") else number


def share_in_words(number: Decimal) -> str:
    """A share with its percentage, so that a misplaced point is seen: `0.1 (10 %)`."""
    return f"{plain(number)} ({plain(number * 100)} %)"


def print_json(values: Mapping[str, BaseModel | None] | Sequence[BaseModel]) -> None:
    """For machines: decimals are strings."""
    if isinstance(values, Mapping):
        shown: object = {key: each and each.model_dump(mode="json") for key, each in values.items()}
    else:
        shown = [each.model_dump(mode="json") for each in values]
    print(json.dumps(shown, indent=2))
