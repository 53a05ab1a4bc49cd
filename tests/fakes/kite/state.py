"""What of the fake is not in the engine's books and outlives a kill: one small file."""

from __future__ import annotations

import json
import threading


class State:
    """Session and days, written whole with every change.

    Attributes:
        access_token: the one that is valid; None = a person must log in.
        request_tokens: of logins that nobody has used yet.
        days: the last order number of each day that is over.
        opening: cash when the day began, text of a decimal.
        amended: by order number: what of an order was changed that the engine does not know.
    """

    def __init__(self, path, *, first):
        self._path = path / "kite.json"
        self._first = first
        self._lock = threading.Lock()
        self._reset()
        if self._path.exists():
            self.__dict__.update(json.loads(self._path.read_text(encoding="utf-8")))

    def start_over(self):
        """As on the first day."""
        with self._lock:
            self._reset()
            self._path.unlink(missing_ok=True)

    def _reset(self):
        self.access_token = self._first["access_token"]
        self.opening = self._first["opening"]
        self.request_tokens = []
        self.days = []
        self.amended = {}

    def change(self, **changes):
        """Keep other values."""
        with self._lock:
            self.__dict__.update(changes)
            self._keep()

    def amend(self, number, **changes):
        """Keep what of an order was changed; one more time."""
        with self._lock:
            before = self.amended.get(str(number), {"times": 0})
            after = {**before, **changes, "times": before["times"] + 1}
            self.amended = {**self.amended, str(number): after}
            self._keep()

    def _keep(self):
        kept = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(kept), encoding="utf-8")
        beside.replace(self._path)
