"""Asks one account's broker for figures and what decisions want of it, in a thread of its own.

A broker that hangs or fails therefore delays its own account and no other. Others say when it is
asked: the schedule, a trade, a person, the broker itself; after a failure it is soon asked again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from pymongo.errors import PyMongoError

from brokers.broker import AccountState, Broker, BrokerPosition
from services.account_data.questions import Questions
from services.account_data.states import Told
from services.account_data.store import AccountStore, Wish
from services.account_data.views import age_seconds
from services.common.budget import DATA_SHARE, Bucket
from services.common.clock import utc_now
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import TraderError, TransientError
from services.domain.instruments import Instrument

_log = logging.getLogger(__name__)
FAILURES_FOR_INCIDENT = 3
#: Doorbells of a busy account are answered together, at most this often.
MINIMUM_GAP_SECONDS = 2.0
#: After a failure: an account is stale soon, and its entries are denied.
RETRY_SECONDS = 5.0
PRICE_LOOK_SECONDS = 0.5
#: Between two times that one account brings its fund up to date; all its accounts write one row.
FUND_GAP_SECONDS = 10.0
#: Cerebro wants a price again as long as a signal waits for it; what it has left alone is over.
WANTED_FOR = timedelta(seconds=30)
T = TypeVar("T")


class Poller:
    """Keeps the stored figures of one account as young as its broker allows."""

    def __init__(
        self,
        account: BrokerAccount,
        store: AccountStore,
        open_broker: Callable[[BrokerAccount], Broker],
        *,
        poll_seconds: float,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Not asking yet.

        Args:
            account: whose.
            store: where answers go.
            open_broker: makes its adapter.
            poll_seconds: how long answers to others may take, until the schedule wants figures.
            is_wanted: whether a decision may wait for something; False = there is no need to look.
        """
        self.account = account
        self._store = store
        self._open_broker = open_broker
        self._poll_seconds = poll_seconds
        self._broker: Broker | None = None
        self._bucket: Bucket | None = None
        self._as_of: datetime | None = None
        self._fund_at = -math.inf
        #: The minute that has a point of each price that is held.
        self._priced: datetime | None = None
        self._trouble: str | None = None
        self._failures = 0
        #: None until the first answer: an earlier process may have left an incident open.
        self._incident_open: bool | None = None
        #: The doubt that was told of; "" until the first answer: an earlier process may have told.
        self._doubted: str | None = ""
        #: Whether its broker tells by itself that figures have changed.
        self._pushes = False
        self._is_wanted = is_wanted
        self._rung = False
        #: When the broker last answered, or failed to; and whether `watch` has missed it once.
        self._heard_at = time.monotonic()
        self._missed = False
        #: Polls begun and done, for whoever waits for one.
        self._begun = self._done = 0
        self._polled = threading.Condition()
        self._questions = Questions(account.account_id)
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"poll-{account.account_id}", daemon=True
        )

    def start(self) -> None:
        """Ask now and from now on."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more, without waiting for the question that is under way."""
        self._stop.set()
        self._woken.set()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    def ring(self) -> None:
        """Ask now, or right after the question under way: it is time, or the account has traded."""
        self._rung = True
        self._woken.set()

    def poll_now(self, *, seconds: float) -> None:
        """Have the broker asked, and wait for the answer.

        Raises:
            TransientError: it did not answer in time, or answered with an error.
        """
        with self._polled:
            wanted = self._begun + 1
            self.ring()
            answered = self._polled.wait_for(
                lambda: self._done >= wanted or self._stop.is_set(), seconds
            )
        if not answered or self._done < wanted:
            raise TransientError(
                f"the broker of account {self.account.account_id} did not answer "
                f"within {seconds:g} s"
            )
        if (trouble := self._trouble) is not None:
            raise TransientError(f"account {self.account.account_id}: {trouble}")

    def ask(self, question: Callable[[Broker], T], *, seconds: float) -> T:
        """Have the broker asked something else, over the same connection and budget.

        Raises:
            TransientError: there was no answer in time.
            BrokerError: what the broker answered instead.
        """
        answer = self._questions.put(question)
        self._woken.set()
        return self._questions.wait(answer, seconds=seconds)

    def look(self) -> None:
        """A decision waits for an answer: look now."""
        self._woken.set()

    def watch(self, *, seconds: float) -> None:
        """Tell a person where the broker has neither answered nor failed for so long: it hangs.

        At the second look that finds it so: a machine that was asleep is given time to ask.

        Raises: PyMongoError.
        """
        silent = time.monotonic() - self._heard_at
        missed, self._missed = self._missed, silent > seconds
        if not (missed and self._missed) or self._stop.is_set():
            return
        sentence = f"the broker has neither answered nor failed for {seconds:g} s"
        self._trouble = sentence
        self._store.save_failure(self.account.account_id, sentence, at=utc_now())
        if not self._incident_open:
            self._store.raise_silent(self.account.account_id, sentence)
            self._incident_open = True

    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def state(self, *, max_age_seconds: float) -> str:
        """For /health: the age of what is stored.

        Raises:
            TransientError: the last question failed, or what is stored is too old.
        """
        trouble, as_of = self._trouble, self._as_of
        age = None if as_of is None else age_seconds(as_of, utc_now())
        known = "no answer yet" if age is None else f"{age:.1f} s old"
        sentence = f"{self.account.account_id}: {known}"
        if trouble is not None:
            raise TransientError(f"{sentence}, last attempt: {trouble}")
        if age is None or age > max_age_seconds:
            raise TransientError(sentence)
        return sentence

    def poll(self) -> None:
        """Ask the broker once and store the answer, or that there was none."""
        answer = self._try(self._ask)
        if self._stop.is_set():
            return
        try:
            if isinstance(answer, str):
                self._failed(answer)
            else:
                books = self._store.books(self.account.account_id)
                positions = self._try(self._positions)
                if self._stop.is_set():
                    return
                if isinstance(positions, str):
                    self._answered(Told(answer, trouble=positions))
                else:
                    self._answered(Told(answer, positions))
                    self._store.compare_books(self.account.account_id, positions, books)
        except (PyMongoError, TransientError) as error:
            _log.warning(
                "account %s could not be stored: %s", self.account.account_id, _words(error)
            )

    def quote(self, *, until: float) -> None:
        """Ask for what decisions wait for, one question at least, the rest before `until`.

        Args:
            until: of `time.monotonic`; the next poll must not wait for slow answers.
        """
        since = utc_now() - WANTED_FOR
        try:
            for wish in self._store.wishes(self.account.account_id, since=since):
                self._grant(wish)
                if self._stop.is_set() or time.monotonic() >= until:
                    return
        except PyMongoError as error:
            _log.warning("wishes of account %s: %s", self.account.account_id, type(error).__name__)

    def _grant(self, wish: Wish) -> None:
        account_id, subject = self.account.account_id, wish.subject
        if isinstance(subject, Instrument):
            self._keep(
                wish,
                lambda: self._connected().last_price(subject),
                lambda quote, at: self._store.save_price(account_id, subject, quote, at=at),
            )
        else:
            self._keep(
                wish,
                lambda: self._connected().preview_margin(subject),
                lambda quote, at: self._store.save_preview(wish.key, subject, quote, at=at),
            )

    def _keep(
        self, wish: Wish, question: Callable[[], T], save: Callable[[T, datetime], None]
    ) -> None:
        answer = self._try(question)
        if isinstance(answer, str):
            self._store.save_no_answer(wish, answer, at=utc_now())
        else:
            save(answer, utc_now())

    def _try(self, question: Callable[[], T]) -> T | str:
        """The broker's answer, or why there is none in a sentence."""
        try:
            return question()
        except TraderError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a bug of one adapter must not end its polling
            _log.exception("account %s: its broker adapter failed", self.account.account_id)
            return f"{type(error).__name__}: {error}"

    def _connected(self) -> Broker:
        if self._broker is None:
            self._broker = self._open_broker(self.account)
        if not self._broker.is_connected():
            self._broker.connect()
            if not self._pushes:
                self._pushes = self._broker.stream_account(self.ring)
            most = self._broker.capabilities.messages_per_second
            self._bucket = None if most is None else Bucket(most * DATA_SHARE, time.monotonic)
        self._await_turn()
        return self._broker

    def _await_turn(self) -> None:
        """Until the broker takes one more question of us: orders go before figures.

        Raises: TransientError: polling ends meanwhile.
        """
        while self._bucket is not None and (pause := self._bucket.seconds_until_free()) > 0:
            if self._stop.wait(pause):
                raise TransientError("polling has ended")
        if self._bucket is not None:
            self._bucket.take()

    def _ask(self) -> AccountState:
        state = self._connected().account_state()
        if state.account_id != self.account.account_id:
            raise TransientError(
                f"expected figures of {self.account.account_id}, found {state.account_id}"
            )
        return state

    def _positions(self) -> Sequence[BrokerPosition]:
        return self._connected().positions()

    def _answered(self, told: Told) -> None:
        now = utc_now()
        jump = self._store.save_state(told, recorded_at=now)
        if jump is not None and jump.jump_id != self._doubted:
            _log.warning("account %s: %s", self.account.account_id, jump.sentence)
        if jump is None and self._doubted is not None:
            # Whoever confirmed has cleared it, maybe just before we told of the look before.
            self._store.clear_doubted(self.account.account_id)
        self._doubted = None if jump is None else jump.jump_id
        if self._failures:
            _log.info(
                "account %s answers again after %s failures",
                self.account.account_id,
                self._failures,
            )
        self._as_of = min(told.state.as_of, now)
        self._trouble, self._failures = None, 0
        if self._incident_open is not False:
            self._store.clear_unreachable(self.account.account_id)
            self._incident_open = False
        if time.monotonic() - self._fund_at >= FUND_GAP_SECONDS:
            self._store.keep_fund(self.account.account_id, now=now)
            self._fund_at = time.monotonic()
        minute = now.replace(second=0, microsecond=0)
        if minute != self._priced:
            self._store.keep_prices(told, at=now)
            self._priced = minute

    def _failed(self, sentence: str) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("account %s does not answer: %s", self.account.account_id, sentence)
        self._trouble = sentence
        self._store.save_failure(self.account.account_id, sentence, at=utc_now())
        if self._failures >= FAILURES_FOR_INCIDENT and not self._incident_open:
            self._store.raise_unreachable(
                self.account.account_id, sentence, failures=self._failures
            )
            self._incident_open = True

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            with self._polled:
                self._rung = False
                self._begun += 1
            self.poll()
            self._heard_at = time.monotonic()
            with self._polled:
                self._done = self._begun
                self._polled.notify_all()
            self._rest(began)
        with self._polled:
            self._polled.notify_all()
        self._questions.drop()
        if self._broker is not None:
            self._broker.close()

    def _rest(self, began: float) -> None:
        """Answer others until figures are wanted again."""
        while not self._stop.is_set():
            self._woken.clear()
            due = began + self._pause()
            if self._is_wanted():
                self.quote(until=min(due, began + self._poll_seconds))
            while not self._stop.is_set() and self._questions.answer_next(self._connected):
                if time.monotonic() >= due:  # one at least, the rest before the next poll
                    break
            left = began + self._pause() - time.monotonic()
            if left <= 0:
                return
            self._woken.wait(min(left, PRICE_LOOK_SECONDS))

    def _pause(self) -> float:
        """From one poll to the next; without end where nobody wants one."""
        if self._rung:
            return MINIMUM_GAP_SECONDS
        return max(MINIMUM_GAP_SECONDS, RETRY_SECONDS) if self._failures else float("inf")


def _words(error: Exception) -> str:
    """Of a driver's error its name only: its text may hold the address of the database."""
    return type(error).__name__ if isinstance(error, PyMongoError) else str(error)
