"""Kite's postbacks: a web request for each change of an order, proven by a checksum. Pure.

A postback is a doorbell, no more: what it says of the order is not used, the order book is asked.
https://kite.trade/docs/connect/v3/postbacks/
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import NamedTuple

from pydantic import SecretStr


class Postback(NamedTuple):
    """What proves a postback, and which order it is about.

    Attributes:
        order_id: Kite's.
        tag: our client_order_id; empty where the order is none of ours.
        order_timestamp: as it is written.
        checksum: SHA-256 of order_id, order_timestamp and the app's secret, in hexadecimal.
    """

    order_id: str
    tag: str
    order_timestamp: str
    checksum: str

    def is_genuine(self, api_secret: SecretStr) -> bool:
        """Whether only Kite, or whoever has the app's secret, can have sent it."""
        proven = f"{self.order_id}{self.order_timestamp}{api_secret.get_secret_value()}"
        expected = hashlib.sha256(_bytes(proven)).hexdigest()
        return hmac.compare_digest(expected.encode(), _bytes(self.checksum.lower()))


def read_postback(body: bytes) -> Postback:
    """What a postback says. Raises: ValueError: it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("a postback is a JSON object") from error
    if not isinstance(found, dict):
        raise ValueError("a postback is a JSON object")
    names = ("order_id", "order_timestamp", "checksum")
    missing = [name for name in names if not isinstance(found.get(name), str) or not found[name]]
    if missing:
        raise ValueError(f"a postback has {', '.join(names)}; {missing[0]} is missing")
    tag = found.get("tag")
    return Postback(
        found["order_id"],
        tag if isinstance(tag, str) else "",
        found["order_timestamp"],
        found["checksum"],
    )


def _bytes(text: str) -> bytes:
    """Also of texts that JSON can write and UTF-8 cannot."""
    return text.encode("utf-8", "surrogatepass")
