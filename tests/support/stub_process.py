"""A process for the supervisor's table: answers /health, or misbehaves as told.

`python stub_process.py PORT [ready|unready|usable|wrong_setting|dies|stubborn]`; standard library
only, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType


def main() -> None:
    port, behavior = int(sys.argv[1]), sys.argv[2]
    if behavior == "wrong_setting":
        sys.stderr.write("configuration error: setting STUB must be above 0, was -1\n")
        sys.exit(78)
    if behavior == "dies":
        sys.exit("stub: something broke")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behavior == "stubborn" else _end)
    ready = behavior not in {"unready", "usable"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            dependency = {"ok": ready, "detail": "answers" if ready else "does not answer"}
            report = {"ready": ready, "pid": os.getpid(), "dependencies": {"stub": dependency}}
            report["usable"] = behavior != "unready"
            body = json.dumps(report).encode()
            self.send_response(200 if ready else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.stdout.write(f"drained at {time.monotonic()}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
