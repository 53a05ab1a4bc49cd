"""The only place that reads the wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from services.domain.errors import ConfigurationError

_SKEW = "CLOCK_SKEW"
_skew = timedelta()


def utc_now() -> datetime:
    """Now, aware, cut to milliseconds so that it equals itself after a round trip through BSON."""
    moment = datetime.now(UTC) + _skew
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def skew_by(service: str, environment: Mapping[str, str]) -> None:
    """Make this process's clock wrong as `CLOCK_SKEW=execution=-20,cerebro=7.5` asks; for drills.

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
        skews = {name: timedelta(seconds=float(seconds)) for name, seconds in pairs}
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{_SKEW} must be service=seconds,…, was {asked!r}") from error
    _skew = skews.get(service, timedelta())
