"""The process that runs one study: `python -m services.portfolio_builder.jobs TEST_ID EPOCH`.

Started by the runner, which holds the other end of its standard input: where that closes, nobody
watches any more, and it ends at once. It may be killed at any moment: what was finished is kept,
and the next worker goes on from there.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from pydantic import JsonValue
from pymongo.errors import PyMongoError

from services.common import logs
from services.common.settings import PortfolioSettings
from services.common.settings_file import load
from services.common.store import Store, to_document
from services.domain.errors import ConfigurationError, TraderError, TransientError
from services.portfolio_builder.jobs.documents import FileName, JobStatus, StudyJob, Summary
from services.portfolio_builder.jobs.inputs import of_text, text_of
from services.portfolio_builder.jobs.store import CancelAsked, JobStore, Superseded
from services.portfolio_builder.optimizers.problem import Infeasible, NotSolved
from services.portfolio_builder.study import Record, StudyRequest

_log = logging.getLogger(__name__)
#: Exit codes: nobody watches; the database does not answer; a setting is wrong.
EXIT_ALONE: Final = 3
EXIT_TRY_AGAIN: Final = 75
EXIT_CONFIGURATION: Final = 78
#: Less than trading: a study may take its time.
_NICENESS: Final = 10
#: Between two notes of progress, which are writes.
_TELL_SECONDS: Final = 0.5

Tell: TypeAlias = Callable[[float, str], None]

_CODES: Final = {Infeasible: "STUDY_INFEASIBLE", NotSolved: "STUDY_NOT_SOLVED"}


class Assignment(NamedTuple):
    """One study as its worker sees it.

    Attributes:
        current: ratios as they were when it was asked for.
        finished: parts that an earlier worker kept.
        tell: progress from 0 to 1, and what is done; raises where the study is to end.
        keep: hands over a finished part.
    """

    request: StudyRequest
    records: Sequence[Record]
    current: Mapping[str, float]
    finished: Mapping[str, JsonValue]
    tell: Tell
    keep: Callable[[str, JsonValue], None]


class Studied(NamedTuple):
    """What a study leaves."""

    summary: Summary
    files: Mapping[FileName, str]


Study: TypeAlias = Callable[[Assignment], Studied]
Loader: TypeAlias = Callable[[Sequence[str]], list[Record]]


class Worker:
    """Runs one study to its end, or until it must not.

    Args:
        jobs: where it is.
        epoch: of this worker.
        load_records: the records of strategies as they are now.
        code_version: of this program.
    """

    def __init__(
        self, jobs: JobStore, epoch: int, *, load_records: Loader, code_version: str
    ) -> None:
        self._jobs = jobs
        self._epoch = epoch
        self._load_records = load_records
        self._code_version = code_version
        self._told_at = 0.0

    def run(self, test_id: str, study: Study) -> None:
        """Run `study`, and record how it ended.

        Raises: TransientError, PyMongoError: try again.
        """
        job = self._jobs.get(test_id)
        if job is None or job.epoch != self._epoch:
            return
        try:
            self._finish(job, study(self._assignment(job)))
        except Superseded as error:
            _log.warning("%s", error)
        except CancelAsked:
            self._end(job, JobStatus.CANCELED, {})
        except (TransientError, PyMongoError, MemoryError):
            raise
        except TraderError as error:
            self._fail(job, _CODES.get(type(error), "STUDY_REFUSED"), str(error))
        except Exception as error:  # noqa: BLE001 - whatever a study throws, a person must see
            # It would break the same way each time, and nobody else could say why.
            _log.exception("the study %s broke", test_id)
            sentence = f"the study broke, which is our fault: {type(error).__name__}: {error}"
            self._fail(job, "STUDY_BROKE", sentence)

    def _assignment(self, job: StudyJob) -> Assignment:
        records, current = self._inputs(job)
        finished = {name: json.loads(text) for name, text in self._parts(job).items()}

        def tell(progress: float, doing: str) -> None:
            now = time.monotonic()
            if now - self._told_at >= _TELL_SECONDS:
                self._told_at = now
                self._jobs.tell(job.test_id, self._epoch, min(max(progress, 0.0), 1.0), doing)

        def keep(name: str, value: JsonValue) -> None:
            text = json.dumps(value, allow_nan=False)
            self._jobs.keep(job.test_id, self._epoch, name, text)

        return Assignment(job.request, records, current, finished, tell, keep)

    def _parts(self, job: StudyJob) -> dict[str, str]:
        """Parts of the same code only: another would go on from what it would not have found."""
        if job.code_version in {"", self._code_version}:
            parts = self._jobs.files.parts(job.test_id)
        else:
            self._jobs.files.forget_parts(job.test_id)
            parts = {}
        changes = {"code_version": self._code_version}
        self._jobs.note_inputs(job.test_id, self._epoch, changes)
        return parts

    def _inputs(self, job: StudyJob) -> tuple[list[Record], dict[str, float]]:
        """As they were stored; taken and stored where this is the first worker."""
        if job.inputs is not None:
            return of_text(self._jobs.files.load(job.inputs))
        self._jobs.tell(job.test_id, self._epoch, 0.0, "reading the records")
        current = {name: float(ratio) for name, ratio in job.current_ratios.items()}
        text = text_of(self._load_records(job.strategy_ids), current)
        file = self._jobs.files.save(f"{job.test_id}|{self._epoch}|inputs", text)
        self._jobs.note_inputs(job.test_id, self._epoch, {"inputs": to_document(file)})
        return of_text(text)

    def _finish(self, job: StudyJob, studied: Studied) -> None:
        self._jobs.tell(job.test_id, self._epoch, 1.0, "storing the result")
        key = f"{job.test_id}|{self._epoch}"
        files = {
            name: self._jobs.files.save(f"{key}|{name}", text)
            for name, text in studied.files.items()
        }
        found = studied.summary
        evidence = found.evidence.model_copy(update={"test_id": job.test_id})
        changes = {
            "files": {str(name): to_document(file) for name, file in files.items()},
            "summary": to_document(found.model_copy(update={"evidence": evidence})),
            "code_version": self._code_version,
            "progress": 1.0,
            "doing": "",
        }
        if job.rerun_of:
            former = self._jobs.get(job.rerun_of)
            known = former.files.get(FileName.RESULT) if former else None
            changes["identical"] = known is not None and (
                known.sha256 == files[FileName.RESULT].sha256
            )
        self._end(job, JobStatus.DONE, changes)

    def _fail(self, job: StudyJob, code: str, sentence: str) -> None:
        self._end(job, JobStatus.FAILED, {"error_code": code, "error": sentence})

    def _end(self, job: StudyJob, status: JobStatus, changes: dict[str, object]) -> None:
        if self._jobs.end(job.test_id, status, epoch=self._epoch, changes=changes):
            _log.info("the study %s is %s", job.test_id, status)


def _end_when_alone() -> None:
    """Wait for the other end of our standard input to close, then end at once."""
    # Not through `sys.stdin`: its lock would be held while the interpreter ends.
    while os.read(0, 1024):
        pass
    os._exit(EXIT_ALONE)


def main(
    study: Study,
    load_records: Callable[[Store], Loader],
    *,
    code_version: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run the study that the command line names; the exit code."""
    test_id, epoch = argv or sys.argv[1:]
    threading.Thread(target=_end_when_alone, name="alone", daemon=True).start()
    os.nice(_NICENESS)
    try:
        settings = load(PortfolioSettings)
        logs.set_up(
            "portfolio_worker",
            directory=settings.mt_home / "logs",
            level=settings.log_level,
            log_format=settings.log_format,
        )
        store = Store.connect(settings)
    except ConfigurationError as error:
        print(f"configuration error: {error}", file=sys.stderr)  # noqa: T201 - the operator's line
        return EXIT_CONFIGURATION
    try:
        worker = Worker(
            JobStore(store),
            int(epoch),
            load_records=load_records(store),
            code_version=code_version,
        )
        worker.run(test_id, study)
    except (TransientError, PyMongoError) as error:
        _log.warning("the study %s waits: %s", test_id, error)
        return EXIT_TRY_AGAIN
    finally:
        store.close()
    return 0
