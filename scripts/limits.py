#!/usr/bin/env python3
"""Limits, overrides and locks; the margins of futures. Shares may be typed as 10%.

    python3 scripts/limits.py show [--scope SCOPE] [--json]
    python3 scripts/limits.py set SCOPE ID name=value ... --reason TEXT
    python3 scripts/limits.py clear SCOPE ID name ... --reason TEXT
    python3 scripts/limits.py override SCOPE ID --scale 0.5|--reduce-only|--no-trade|--none [--until TIME] --reason TEXT
    python3 scripts/limits.py locks [--json]
    python3 scripts/limits.py reset LOCK --reason TEXT
    python3 scripts/limits.py futures [SYMBOL --initial N --maintenance N --as-on DATE --source TEXT [--price N]]

SCOPE is GLOBAL (which takes no ID), ACCOUNT, STRATEGY, INSTRUMENT or ASSET_CLASS; ACCOUNT '*' is
every account that has no limits of its own. Hours: trading_hours='America/New_York 09:30-16:00
1-5'. What each limit means: docs/operations.md.
"""  # noqa: E501 - one command, one line

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from datetime import datetime
from decimal import Decimal

from scripts import kill
from scripts.tool import add_signature, print_json, ratio_of, run, scope_of, share_in_words
from services.common.clock import utc_now
from services.common.controls import set_control
from services.common.futures import futures_margins, set_futures_margin
from services.common.limits import LIMIT_NAMES, limit_sets, set_limits
from services.common.locks import clear_lock, locks
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.domain.risk import LimitSet, TradingHours, scope_in_words
from services.domain.signals import plain
from services.domain.words import Override, Scope

_HOURS = re.compile(r"(?P<zone>\S+) +(?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)( +(?P<days>\S+))?")
_OVERRIDES: dict[str, dict[str, Any]] = {
    "reduce_only": {"override": Override.REDUCE_ONLY},
    "no_trade": {"override": Override.NO_TRADE},
    "none": {"override": Override.NONE, "scale_ratio": Decimal(1)},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    return run(
        "limits", _parser(), argv, lambda store, asked: _COMMANDS[asked.command](store, asked)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    show = commands.add_parser("show", help="every limit that is set")
    show.add_argument("--scope", type=scope_of, help="of this scope only")
    held = commands.add_parser("locks", help="what limits have locked")
    for command in (show, held):
        command.add_argument("--json", action="store_true", help="for machines")
    for name, words, rest in (
        ("set", "set limits", "name=value"),
        ("clear", "remove limits", "name"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("scope", type=scope_of)
        command.add_argument("words", nargs="+", metavar=f"[ID] {rest}")
        add_signature(command)
    _add_override(commands.add_parser("override", help="shrink or stop entries of a scope"))
    reset = commands.add_parser("reset", help="accept the loss: clear a lock")
    reset.add_argument("lock", help="as `locks` names it")
    add_signature(reset)
    _add_futures(commands.add_parser("futures", help="show, or enter, margins of futures"))
    return parser


def _add_override(command: argparse.ArgumentParser) -> None:
    command.add_argument("scope", type=scope_of)
    command.add_argument("scope_id", nargs="?", default="", metavar="ID")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--scale", metavar="SHARE", help="make entries this much smaller")
    which.add_argument("--reduce-only", action="store_true", help="exits only")
    which.add_argument("--no-trade", action="store_true", help="nothing, exits neither")
    which.add_argument("--none", action="store_true", help="neither override nor scale")
    command.add_argument("--until", type=_moment, metavar="TIME", help="2026-11-23T14:30Z: its end")
    add_signature(command)


def _moment(typed: str) -> datetime:
    """A time with its zone. Raises: ArgumentTypeError."""
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a time: {typed!r}") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"say the zone, as in 2026-11-23T14:30Z: {typed!r}")
    return moment


def _add_futures(command: argparse.ArgumentParser) -> None:
    command.add_argument("symbol", nargs="?", help="none = show them")
    command.add_argument("--json", action="store_true", help="for machines")
    command.add_argument("--initial", help="to open one contract, in its currency")
    command.add_argument("--maintenance", help="to keep it")
    command.add_argument("--price", help="of the future when the figures were published")
    command.add_argument("--as-on", help="day of the figures, YYYY-MM-DD")
    command.add_argument("--source", help="where they were found")
    add_signature(command, reason=False)


def _show(store: Store, arguments: argparse.Namespace) -> int:
    wanted = arguments.scope
    found = [each for each in limit_sets(store) if wanted in {None, each.scope}]
    if arguments.json:
        print_json(found)
    elif not found:
        print("no limits are set")
    for limits in () if arguments.json else found:
        _print(limits)
    return 0


def _print(limits: LimitSet) -> None:
    signed = [f"by {limits.set_by}"] if limits.set_by else []
    signed += [f"{limits.set_at:%Y-%m-%d %H:%M:%S} UTC"] if limits.set_at else []
    signed += [limits.reason] if limits.reason else []
    print("  ".join([scope_in_words(limits.scope, limits.scope_id), *signed]))
    for name in LIMIT_NAMES:
        if name in limits.model_fields_set:
            print(f"  {name} = {_in_words(name, getattr(limits, name))}")


def _in_words(name: str, value: object) -> str:
    if isinstance(value, TradingHours):
        days = ",".join(map(str, value.days))
        return f"{value.timezone} {value.opens}-{value.closes} {days}"
    if isinstance(value, Decimal):
        return share_in_words(value) if name.endswith("_ratio") else plain(value)
    return str(value)


def _set(store: Store, arguments: argparse.Namespace) -> int:
    scope_id, words = _id_and_rest(arguments)
    changes: dict[str, object] = {}
    for word in words:
        name, sign, typed = word.partition("=")
        if not sign:
            raise ConfigurationError(f"a limit is set as name=value, was {word!r}")
        if name in changes:
            raise ConfigurationError(f"{name} is set twice")
        changes[name] = _value(name, typed)
    return _change(store, arguments, scope_id, changes)


def _clear(store: Store, arguments: argparse.Namespace) -> int:
    scope_id, words = _id_and_rest(arguments)
    return _change(store, arguments, scope_id, dict.fromkeys(words))


def _change(
    store: Store, arguments: argparse.Namespace, scope_id: str, changes: dict[str, object]
) -> int:
    signed = {"by": arguments.by, "reason": arguments.reason}
    _print(set_limits(store, arguments.scope, scope_id, changes, **signed))
    return 0


def _id_and_rest(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """GLOBAL has no id; of every other scope it is the first word."""
    words = list(arguments.words)
    if arguments.scope is Scope.GLOBAL:
        return "", words
    return words[0], words[1:]


def _value(name: str, typed: str) -> object:
    if not typed.strip():
        raise ConfigurationError(f"{name} has no value; `clear` removes a limit")
    if name == "trading_hours":
        return _hours(typed)
    if name.endswith("_ratio"):
        return ratio_of(typed)
    if typed.strip().endswith("%"):
        raise ConfigurationError(f"{name} is no share, so it cannot be {typed!r}")
    return typed.strip()


def _hours(typed: str) -> dict[str, object]:
    """`America/New_York 09:30-16:00`, with `1-5` or `1,3,5` for the days."""
    found = _HOURS.fullmatch(typed.strip())
    if found is None:
        raise ConfigurationError(
            f"trading_hours must be like 'America/New_York 09:30-16:00 1-5', was {typed!r}"
        )
    hours: dict[str, object] = {
        "timezone": found["zone"],
        "opens": found["opens"],
        "closes": found["closes"],
    }
    return hours | ({"days": _days(found["days"])} if found["days"] else {})


def _days(typed: str) -> tuple[int, ...]:
    days: list[int] = []
    for part in typed.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (not last or last.isdecimal())) or len(part) > 3:
            raise ConfigurationError(f"days must be like 1-5 or 1,3,5, was {typed!r}")
        days += range(int(first), int(last or first) + 1)
    return tuple(sorted(set(days)))


def _override(store: Store, arguments: argparse.Namespace) -> int:
    chosen = [changes for name, changes in _OVERRIDES.items() if getattr(arguments, name)]
    changes = chosen[0] if chosen else {"scale_ratio": ratio_of(arguments.scale)}
    signed = {"by": arguments.by, "reason": arguments.reason, "expires_at": arguments.until}
    control = set_control(store, arguments.scope, arguments.scope_id, **signed, **changes)
    print(kill.in_words(control))
    return 0


def _locks(store: Store, arguments: argparse.Namespace) -> int:
    found = locks(store, utc_now())
    if arguments.json:
        print_json({lock.key: lock for lock in found})
        return 0
    for lock in found:
        print(f"{lock.key}  {lock.locked_at:%Y-%m-%d %H:%M} UTC {lock.ends}  {lock.sentence}")
    if not found:
        print("nothing is locked")
    return 0


def _reset(store: Store, arguments: argparse.Namespace) -> int:
    cleared = clear_lock(store, arguments.lock, by=arguments.by, reason=arguments.reason)
    print(f"{arguments.lock} is reset: {cleared}")
    return 0


def _futures(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.symbol:
        names = ("initial", "maintenance", "price", "as_on", "source")
        given = {name: getattr(arguments, name) for name in names}
        figures = {name: value for name, value in given.items() if value is not None}
        set_futures_margin(store, arguments.symbol, figures, by=arguments.by)
    found = futures_margins(store)
    if arguments.json:
        print_json(found)
    for symbol, margin in () if arguments.json else found.items():
        words = "cannot be read" if margin is None else margin.in_words
        print(f"{symbol}  {words}")
    if not found and not arguments.json:
        print("no margins of futures are stored")
    return 0


_COMMANDS = {
    "show": _show,
    "set": _set,
    "clear": _clear,
    "override": _override,
    "locks": _locks,
    "reset": _reset,
    "futures": _futures,
}

if __name__ == "__main__":
    sys.exit(main())
