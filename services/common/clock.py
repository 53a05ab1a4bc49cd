"""The only place that reads the wall clock, and where whoever trades asks whether it is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.domain.errors import ConfigurationError

_SKEW = "CLOCK_SKEW"


class _Skew(NamedTuple):
    """How wrong this process's clock is on purpose, from a moment of the monotonic clock on."""

    by: timedelta = timedelta()
    since: float = 0.0


_skew = _Skew()
_doubt: Callable[[], str] = str


def utc_now() -> datetime:
    """Now, aware, cut to milliseconds so that it equals itself after a round trip through BSON."""
    moment = datetime.now(UTC)
    if _skew.by and time.monotonic() >= _skew.since:
        moment += _skew.by
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def doubted() -> str:
    """Why this process's clock is not to be trusted, in a sentence; "" = nothing is known."""
    return _doubt()


def doubted_by(doubt: Callable[[], str]) -> None:
    """From now on `doubt` says whether the clock is wrong."""
    global _doubt  # noqa: PLW0603 - a clock is one for the whole process
    _doubt = doubt


def skew_by(service: str, environment: Mapping[str, str]) -> None:
    """Make this process's clock wrong as `CLOCK_SKEW=execution=-20,cerebro=7.5` asks; for drills.

    `execution=-300@20` sets it back by 300 s when the process is 20 s old.

    Raises:
        ConfigurationError: it cannot be read, or asks where money is real.
    """
    global _skew  # noqa: PLW0603 - a clock is one for the whole process
    asked = environment.get(_SKEW, "")
    if not asked:
        return
    if environment.get("TRADING_MODE") == "live":
        raise ConfigurationError(f"{_SKEW}={asked}: no wrong clock where money is real")
    try:
        pairs = [pair.split("=") for pair in asked.split(",")]
        skews = {name: _read(words) for name, words in pairs}
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{_SKEW} must be service=seconds,…, was {asked!r}") from error
    _skew = skews.get(service, _Skew())


def _read(words: str) -> _Skew:
    seconds, _, after = words.partition("@")
    since = time.monotonic() + float(after) if after else 0.0
    return _Skew(timedelta(seconds=float(seconds)), since)
