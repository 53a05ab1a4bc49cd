"""One request of a person in a process of its own, which dies where CRASH_AT says.

CRASH_AT=act.done python -m tests.support.dying_act SERVICE PATH BODY IDEMPOTENCY_KEY KEY
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from typing import Any

from services.common.settings import CommonSettings
from services.common.store import Store
from tests.support.acts import acts_client
from tests.support.gateway import gateway


def client_of(service: str, store: Store, key: str) -> AbstractContextManager[Any]:
    """The service as an HTTP client of it, which sends this key of a person."""
    return acts_client(store, key=key) if service == "dashboard_creator" else gateway(store)


def main(service: str, path: str, body: str, idempotency_key: str, key: str) -> None:
    """Send it; what comes after the death is never printed."""
    headers = {"Idempotency-Key": idempotency_key, "Authorization": f"Bearer {key}"}
    store = Store.connect(CommonSettings())
    with client_of(service, store, key) as client:
        answer = client.post(path, json=json.loads(body), headers=headers)
        print(answer.status_code, answer.text)  # noqa: T201 - the process lived on


if __name__ == "__main__":
    main(*sys.argv[1:])
