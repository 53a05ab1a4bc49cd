"""The life of a process: a signal ends it whichever thread the kernel gives it to."""

import subprocess
import sys

_PROGRAM = """
import signal, threading, time
from services.common.daemon import Process
from services.common.settings import CommonSettings

class Part:
    def start(self):
        threading.Thread(target=self._run).start()
    def _run(self):
        time.sleep(0.5)  # until the main thread sleeps
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    def stop(self):
        print("stopped", flush=True)

process = Process("test", CommonSettings())
process.add(Part())
raise SystemExit(process.run())
"""


def test_a_signal_that_another_thread_gets_ends_the_process_too() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "stopped\n"), ended.stderr
