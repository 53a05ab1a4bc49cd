"""A collector of traces: takes OTLP in JSON over HTTP, and keeps the spans."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector:
    """Spans by their trace.

    Attributes:
        url: where they are sent to.
    """

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/v1/traces"
        self._spans = []

    def take(self, body):
        """Keep what one request holds."""
        for resource in body["resourceSpans"]:
            (service,) = resource["resource"]["attributes"]
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    self._spans.append({"service": service["value"]["stringValue"], **span})

    def of(self, signal_id):
        """The spans of the trace that has this signal, in the order of their end."""
        attribute = {"key": "signal_id", "value": {"stringValue": signal_id}}
        traces = {each["traceId"] for each in self._spans if attribute in each["attributes"]}
        found = [each for each in self._spans if each["traceId"] in traces]
        return sorted(found, key=lambda each: int(each["endTimeUnixNano"]))


@contextmanager
def start_collector() -> Iterator[Collector]:
    """One on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            made.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
