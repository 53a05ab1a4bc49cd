"""What Kite posts to the app when one of its own orders changes; once, whoever is there."""

from __future__ import annotations

import hashlib
import json
import queue
import sys
import threading

import urllib3

#: The states that are told; of a part of it filled, or a change, Kite says UPDATE.
_TOLD = frozenset({"COMPLETE", "CANCELLED", "REJECTED", "UPDATE"})
_PATIENCE_SECONDS = 5


class Postbacks:
    """One thread that posts, so that an app that sleeps holds up nothing but itself.

    Attributes:
        url: of the app; None = it wants none.
    """

    def __init__(self, user):
        self._user = user
        self._waiting = queue.Queue()
        self._http = urllib3.PoolManager(retries=False)
        self._thread = threading.Thread(target=self._post_all, name="postbacks", daemon=True)
        self.start_over()

    def start_over(self):
        """As the app is registered."""
        self.url = self._user.postback_url or None

    def start(self):
        """Post from now on."""
        self._thread.start()

    def stop(self):
        """Post what waits, then nothing any more."""
        self._waiting.put(None)
        self._thread.join(timeout=_PATIENCE_SECONDS)
        self._http.clear()

    def send(self, update):
        """Tell the app of an update, if it is of an order that it has placed."""
        ours = update["placed_by"] == self._user.user_id
        if self.url is not None and ours and update["status"] in _TOLD:
            self._waiting.put((self.url, update | {"checksum": self._checksum(update)}))

    def _checksum(self, update):
        said = f"{update['order_id']}{update['order_timestamp']}{self._user.api_secret}"
        return hashlib.sha256(said.encode()).hexdigest()

    def _post_all(self):
        while (told := self._waiting.get()) is not None:
            url, update = told
            try:
                self._http.request("POST", url, body=json.dumps(update), timeout=_PATIENCE_SECONDS)
            except urllib3.exceptions.HTTPError as error:
                sys.stderr.write(f"postback to {url}: {error}\n")
