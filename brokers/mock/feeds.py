"""Prices that move by themselves: a script of them, or a random walk that a seed repeats."""

from __future__ import annotations

import csv
import io
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from services.domain.values import Frozen, Positive

_log = logging.getLogger(__name__)
_BPS = 10_000


class Tick(Frozen):
    """One price, so many seconds after the start of its feed."""

    after_s: float = Field(ge=0, allow_inf_nan=False)
    instrument_key: str
    price: Positive


class Script(Frozen):
    """Prices as written down; `speed` 10 = ten times as fast."""

    kind: Literal["SCRIPT"] = "SCRIPT"
    ticks: tuple[Tick, ...] = Field(min_length=1)
    speed: float = Field(1, gt=0, allow_inf_nan=False)


class Walk(Frozen):
    """A random walk of every price.

    Attributes:
        prices: where each instrument (by its key) starts.
        volatility_bps: standard deviation of one step, of the price.
        interval_s: between steps.
        steps: how many; None = until it is stopped.
    """

    kind: Literal["WALK"] = "WALK"
    prices: dict[str, Positive] = Field(min_length=1)
    volatility_bps: float = Field(5, ge=0, le=1000)
    interval_s: float = Field(1, ge=0.001, le=3600)
    seed: int = 1
    steps: int | None = Field(None, ge=1)


Feed = Annotated[Script | Walk, Field(discriminator="kind")]
_FEED: TypeAdapter[Script | Walk] = TypeAdapter(Feed)


def read_feed(path: Path) -> Script | Walk:
    """A feed from a file: CSV (`after_s,instrument_key,price`) is a script, else JSON of either.

    Raises:
        ValueError: it is no feed.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() == ".csv":
        return Script.model_validate({"ticks": list(csv.DictReader(io.StringIO(text)))})
    return _FEED.validate_json(text)


def ticks_of(feed: Script | Walk) -> Iterator[Tick]:
    """Its ticks in the order of time."""
    if isinstance(feed, Walk):
        yield from _walked(feed)
        return
    for tick in sorted(feed.ticks, key=lambda each: each.after_s):
        yield tick.model_copy(update={"after_s": tick.after_s / feed.speed})


def _walked(walk: Walk) -> Iterator[Tick]:
    chance = random.Random(walk.seed)  # noqa: S311 - prices to play with, the same for every seed
    prices = dict(sorted(walk.prices.items()))
    number = 0
    while walk.steps is None or number < walk.steps:
        for key, price in prices.items():
            yield Tick(after_s=number * walk.interval_s, instrument_key=key, price=price)
            prices[key] = _stepped(price, chance.gauss(0, walk.volatility_bps / _BPS))
        number += 1


def _stepped(price: Decimal, change_ratio: float) -> Decimal:
    """The only place where a statistic becomes a price; never 0, in steps of a cent or finer."""
    step = Decimal(1).scaleb(min(int(price.as_tuple().exponent), -2))
    moved = price * Decimal(str(1 + change_ratio))
    return max(moved.quantize(step, rounding=ROUND_HALF_EVEN), step)


class FeedRunner:
    """Plays one feed at a time."""

    def __init__(self, set_price: Callable[[str, Decimal], object]) -> None:
        self._set_price = set_price
        self._lock = threading.Lock()
        self._playing: tuple[threading.Thread, threading.Event] | None = None

    def start(self) -> None:
        """Part of a process: a feed begins with `play`."""

    def play(self, feed: Script | Walk) -> None:
        """Play this one from now on, in place of another."""
        self.stop()
        ended = threading.Event()
        thread = threading.Thread(target=self._play, args=(feed, ended), name="feed", daemon=True)
        with self._lock:
            self._playing = thread, ended
        thread.start()

    def stop(self) -> None:
        """Leave prices where they are."""
        with self._lock:
            playing, self._playing = self._playing, None
        if playing is not None:
            playing[1].set()
            playing[0].join(timeout=10)

    def plays(self) -> bool:
        """Whether a feed still moves prices."""
        playing = self._playing
        return playing is not None and playing[0].is_alive()

    def _play(self, feed: Script | Walk, ended: threading.Event) -> None:
        began = time.monotonic()
        for tick in ticks_of(feed):
            if ended.wait(max(began + tick.after_s - time.monotonic(), 0)):
                return
            self._set_price(tick.instrument_key, tick.price)
        _log.info("the feed has ended")
