"""Gives queued studies to worker processes, one at a time over all replicas, and watches them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from services.common.leases import Lease
from services.common.settings import REPOSITORY
from services.domain.errors import TransientError
from services.portfolio_builder.jobs.documents import MOST_DEATHS, OPEN, JobStatus, StudyJob
from services.portfolio_builder.jobs.store import JobStore

_log = logging.getLogger(__name__)
LEASE: Final = "portfolio_tests"
WORKER: Final = (sys.executable, "-m", "services.portfolio_builder.jobs")
_LOOK_SECONDS: Final = 0.5
#: Between looks whether somebody wants the study to end.
_CANCEL_LOOK_SECONDS: Final = 1.0
#: Until a worker that was asked to end is killed.
CANCEL_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 10.0
#: After a worker that died, or a database that did not answer.
_PAUSE_SECONDS: Final = 2.0
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    test_id: str
    epoch: int
    since: float


class StudyRunner:
    """A part of a process; only the one that holds the lease runs studies.

    Args:
        jobs: what is to be run.
        lease: the right to run it.
        environment: of workers: the settings of this process.
        most_seconds: that a worker may take; then its study fails, because others wait for it.
        command: of a worker; test_id and epoch are added to it.
        after: called for each study at its end whose result is to become a proposal.
        on_death: called where the thread ends by itself.
    """

    def __init__(  # noqa: PLR0913 - all that a worker needs and whom to tell
        self,
        jobs: JobStore,
        lease: Lease,
        *,
        environment: Mapping[str, str],
        most_seconds: float,
        command: Sequence[str] = WORKER,
        after: Callable[[StudyJob], None] = lambda _: None,
        on_death: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._jobs = jobs
        self._lease = lease
        self._environment = {**environment, **_ONE_THREAD}
        self._most_seconds = most_seconds
        self._command = tuple(command)
        self._after = after
        self._on_death = on_death
        self._running: _Running | None = None
        self._canceling_since: float | None = None
        self._looked_at = 0.0
        self._rest_until = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="studies", daemon=True)

    def start(self) -> None:
        """Look for studies in a thread."""
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """End the worker; what it has finished is kept, and the next one goes on from there."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)
        self._end_worker()
        self._lease.stop()

    def state(self) -> str:
        """For /health. Raises: TransientError where the thread has ended."""
        if not self._thread.is_alive():
            raise TransientError("the thread that runs studies has ended")
        if self._running:
            return f"runs {self._running.test_id}"
        return "waits for studies" if self._lease.held() else "another replica runs studies"

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_SECONDS):
                self._try_to_look()
        finally:
            if not self._stop.is_set():
                self._on_death("the thread that runs studies ended")

    def _try_to_look(self) -> None:
        try:
            self.look()
        except (PyMongoError, TransientError, OSError) as error:
            _log.warning("studies wait: %s: %s", type(error).__name__, error)
            self._stop.wait(_PAUSE_SECONDS)

    def look(self) -> None:
        """One look: begin, watch or end a worker. Raises: PyMongoError, TransientError."""
        if not self._lease.held():
            self._end_worker()  # somebody else has the study now
        elif self._running is None:
            self._begin()
        elif self._running.process.poll() is not None:
            self._reap(self._running)
        else:
            self._look_for_cancel(self._running)
            self._look_for_time(self._running)

    def _begin(self) -> None:
        for job in self._jobs.unproposed():
            self._after(job)
        if time.monotonic() < self._rest_until:
            return
        wanting = self._jobs.next()
        if wanting is not None and not self._ended(wanting):
            self._give(wanting)

    def _give(self, job: StudyJob) -> None:
        epoch = self._jobs.begin(job)
        if epoch is None:
            return
        process = subprocess.Popen(  # noqa: S603 - our own module, and ids of ours
            [*self._command, job.test_id, str(epoch)],
            env=self._environment,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
        )
        _log.info("the study %s runs in process %s", job.test_id, process.pid)
        self._running = _Running(process, job.test_id, epoch, time.monotonic())
        self._canceling_since = None

    def _ended(self, job: StudyJob) -> bool:
        """Whether a study that wants a worker must not have one any more."""
        if job.cancel_requested_at is not None:
            self._jobs.end(job.test_id, JobStatus.CANCELED, epoch=job.epoch, changes={})
            return True
        if job.deaths >= MOST_DEATHS:
            while_doing = f", the last time while {job.doing}" if job.doing else ""
            sentence = (
                f"its worker died {job.deaths} times without getting any further{while_doing}: "
                "see logs/portfolio_worker.log"
            )
            _log.error("the study %s is given up: %s", job.test_id, sentence)
            changes = {"error_code": "STUDY_DIED", "error": sentence}
            self._jobs.end(job.test_id, JobStatus.FAILED, epoch=job.epoch, changes=changes)
            return True
        return False

    def _reap(self, running: _Running) -> None:
        code = running.process.returncode
        self._close(running)
        job = self._jobs.get(running.test_id)
        if job is not None and job.status in OPEN and job.epoch == running.epoch:
            _log.warning("the worker of %s ended with code %s", running.test_id, code)
            self._rest_until = time.monotonic() + _PAUSE_SECONDS

    def _look_for_cancel(self, running: _Running) -> None:
        now = time.monotonic()
        if now - self._looked_at < _CANCEL_LOOK_SECONDS:
            return
        self._looked_at = now
        job = self._jobs.get(running.test_id)
        if job is None or job.cancel_requested_at is None:
            return
        self._canceling_since = self._canceling_since or now
        if now - self._canceling_since >= CANCEL_SECONDS:
            running.process.kill()
            _log.warning("the worker of %s did not end, and was killed", running.test_id)

    def _look_for_time(self, running: _Running) -> None:
        """End a worker that takes too long: one that hangs would keep all others waiting."""
        if time.monotonic() - running.since < self._most_seconds:
            return
        sentence = (
            f"it ran for {self._most_seconds / 60:g} minutes, the most that one may take "
            "(STUDY_MAX_MINUTES): ask for less, or allow more"
        )
        changes = {"error_code": "STUDY_TOO_LONG", "error": sentence}
        self._jobs.end(running.test_id, JobStatus.FAILED, epoch=running.epoch, changes=changes)
        running.process.kill()
        _log.error("the study %s is ended: %s", running.test_id, sentence)

    def _end_worker(self) -> None:
        """Kill the worker; that is no death of the study."""
        running = self._running
        if running is None:
            return
        running.process.kill()
        running.process.wait(_STOP_SECONDS)
        self._close(running)
        try:
            self._jobs.excuse(running.test_id, running.epoch)
        except PyMongoError as error:
            _log.warning("the end of a worker counts as a death: %s", type(error).__name__)

    def _close(self, running: _Running) -> None:
        if running.process.stdin:
            running.process.stdin.close()
        self._running = None


def environment_of(home: Path) -> dict[str, str]:
    """The environment of this process, with the directory that it found its settings in."""
    return {**os.environ, "MT_HOME": str(home)}
