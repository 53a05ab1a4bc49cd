"""Counts wrong passwords in the store, so that a restart or another replica forgets none."""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import NamedTuple

from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.lockouts import FORGOTTEN_SECONDS, RULES, Against, wait_seconds


class Attempt(NamedTuple):
    """One try, counted as a failure until it turns out to be none.

    Attributes:
        counted: failures by what is counted, this one included.
    """

    counted: dict[str, tuple[Against, int]]

    @property
    def locked(self) -> list[Against]:
        """What has just begun to wait with it."""
        return [against for against, n in self.counted.values() if n == RULES[against].free]


class Lockouts:
    """Refuses tries for longer each time; counted before they are made, so none runs past it."""

    def __init__(self, store: Store) -> None:
        self._rows = store["login_failures"]

    def begin(self, name: str, address: str, *, known: bool) -> Attempt:
        """Count a try.

        Args:
            name: whose password.
            address: where it comes from.
            known: whether that name has logged in from there before; then guesses from elsewhere
                do not keep it out.

        Raises:
            Refusal: 429, it is too soon after the last failure.
        """
        wanted = {against: _key(against, name, address) for against in Against}
        if known:
            del wanted[Against.NAME]
        for key in wanted.values():
            self._refuse_while_locked(self._rows.find_one({"_id": key}))
        return Attempt(
            {key: (against, self._count(against, key)) for against, key in wanted.items()}
        )

    def forgive(self, attempt: Attempt) -> None:
        """It was no failure, and no success either: take this one count back."""
        for key in attempt.counted:
            self._rows.update_one(
                {"_id": key, "failures": {"$gt": 0}},
                {"$inc": {"failures": -1}, "$set": {"locked_until": None}},
            )

    def succeed(self, attempt: Attempt) -> None:
        """It was right: its pair starts anew; an address that tries other names does not."""
        self.forgive(attempt)
        for key, (against, _) in attempt.counted.items():
            if against is Against.PAIR:
                self._rows.delete_one({"_id": key})

    def clear(self, name: str) -> None:
        """Forget what was counted against a name everywhere."""
        self._rows.delete_many({"name": _digest(name)})

    def _count(self, against: Against, key: str) -> int:
        while True:
            row = self._rows.find_one({"_id": key})
            self._refuse_while_locked(row)
            failures = (row["failures"] if row else 0) + 1
            now, wait = utc_now(), wait_seconds(against, failures)
            fields = {
                "name": key.split("|")[1],
                "failures": failures,
                "locked_until": now + timedelta(seconds=wait) if wait else None,
                "expires_at": now + timedelta(seconds=FORGOTTEN_SECONDS),
            }
            try:
                if row is None:
                    self._rows.insert_one({"_id": key, **fields})
                    return failures
            except DuplicateKeyError:
                continue
            if self._rows.update_one(
                {"_id": key, "failures": row["failures"]}, {"$set": fields}
            ).modified_count:
                return failures

    @staticmethod
    def _refuse_while_locked(row: Document | None) -> None:
        until = row["locked_until"] if row else None
        left = (until - utc_now()).total_seconds() if until else 0
        if left > 0:
            wait = math.ceil(left)
            sentence = f"too many wrong passwords: wait {wait} s"
            raise Refusal(429, "LOGIN_LOCKED", sentence, retry_after=wait)


def _key(against: Against, name: str, address: str) -> str:
    if against is Against.ADDRESS:
        return f"{against}||{address}"
    return f"{against}|{_digest(name)}|{address if against is Against.PAIR else ''}"


def _digest(name: str) -> str:
    """Of what was typed as a name, because it may be a password by mistake."""
    return hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:32]
