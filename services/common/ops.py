"""What every process tells about itself: `/health` (live, ready, dependencies) and `/metrics`."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from services.common.metrics import Figure, Figures, exposition

#: Answers with a word on the dependency's state; raises where it is not usable.
Check = Callable[[], str]
_CACHE_SECONDS = 1.0


class Health:
    """The state of one process and of what it depends on."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._checks: dict[str, Check] = {}
        self._outside: set[str] = set()
        self._facts: dict[str, Any] = {}
        self._figures: list[Figures] = [self._own_figures]
        self._started_at = time.monotonic()
        self._cached: tuple[float, dict[str, Any]] | None = None
        self._lock = threading.Lock()

    def add(self, name: str, check: Check, *, outside: bool = False) -> None:
        """Make `name` something this process needs to be ready.

        Args:
            name: what it is called.
            check: asks how it is.
            outside: it is not ours to start, e.g. a broker that a person must log in at first:
                without it the process is not ready, but `usable`.
        """
        self._checks[name] = check
        if outside:
            self._outside.add(name)

    def tell(self, name: str, fact: str | int) -> None:
        """Say this of the process in every report, e.g. its version."""
        self._facts[name] = fact

    def measure(self, figures: Figures) -> None:
        """Tell these figures in `/metrics`, too."""
        self._figures.append(figures)

    def metrics(self) -> bytes:
        """For Prometheus: counters, figures, and whether this process is ready."""
        return exposition(self._figures)

    def _own_figures(self) -> Iterable[Figure]:
        report = self.report()
        words = "1 where the process has all that it needs"
        yield Figure("service_ready", words, report["ready"])
        for name, answer in report["dependencies"].items():
            words = "1 where the process can use what it depends on"
            yield Figure("service_dependency_ok", words, answer["ok"], {"dependency": name})

    def report(self) -> dict[str, Any]:
        """Live by answering; ready when every dependency is."""
        with self._lock:
            if self._cached and time.monotonic() - self._cached[0] < _CACHE_SECONDS:
                return self._cached[1]
            dependencies = {name: _ask(check) for name, check in self._checks.items()}
            report: dict[str, Any] = {
                "service": self._service,
                "live": True,
                "ready": all(answer["ok"] for answer in dependencies.values()),
                "usable": all(
                    answer["ok"] or name in self._outside for name, answer in dependencies.items()
                ),
                "dependencies": dependencies,
                **self._facts,
                "pid": os.getpid(),
                "uptime_s": round(time.monotonic() - self._started_at, 1),
            }
            self._cached = (time.monotonic(), report)
            return report


def _ask(check: Check) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": check()}
    except Exception as error:  # noqa: BLE001 - whatever a dependency throws, it is not usable
        return {"ok": False, "detail": f"{type(error).__name__}: {error}"[:300]}


class OpsServer:
    """A small HTTP server for processes that have none."""

    def __init__(self, health: Health, *, host: str, port: int) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(health))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="ops"
        )

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                report = health.report()
                body = json.dumps(report).encode()
                self._answer(200 if report["ready"] else 503, "application/json", body)
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, health.metrics())
            else:
                self._answer(404, "text/plain", b"try /health or /metrics\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Health checks are not worth a line each."""

    return Handler
