"""An HTTP client of an app, over a real socket, without a process of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import uvicorn
from fastapi import FastAPI

_START_SECONDS = 30.0


@contextmanager
def http_client(app: FastAPI, *, key: str | None = None) -> Iterator[httpx.Client]:
    """Serve `app` in a thread and talk to it, with an operator's `key` where one is given.

    Not Starlette's TestClient: from 1.x on it warns without `httpx2`, and warnings are errors here.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="http-test", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + _START_SECONDS
        while not server.started:
            assert thread.is_alive(), "the app died"
            assert time.monotonic() < until, "the app did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
