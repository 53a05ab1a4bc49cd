"""Track records: a file is reviewed first, stored when a person has confirmed what was read."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Callable
from datetime import date
from typing import Any, Final, TypeVar

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.errors import TransientError
from services.portfolio_builder.record_store import CLAIMS, LIVE, RecordStore, unpacked
from services.portfolio_builder.record_views import (
    Confirmed,
    SourceSummary,
    Summary,
    Upload,
    figures_or_none,
    upload_of,
    version_of,
)
from services.portfolio_builder.records.figures import figures_of
from services.portfolio_builder.records.questions import Answers
from services.portfolio_builder.records.reader import read_table
from services.portfolio_builder.records.review import Reviewed, review_of
from services.portfolio_builder.records.rows import RowView, view_of
from services.portfolio_builder.records.tables import BadRecord

T = TypeVar("T")
_SERVICE: Final = "portfolio_builder"
#: A document holds 16 MB; this leaves room for the review beside the file.
MOST_STORED_BYTES: Final = 12_000_000
_LISTED: Final = 20
_MEANWHILE: Final = "somebody else stored a record of the same source at the same time: try again"


class TrackRecords:
    """What people do with track records; each change is one transaction, and audited."""

    def __init__(self, store: Store) -> None:
        self._plain = store
        self._store = RecordStore(store)

    def review(
        self,
        strategy_id: str,
        source: str,
        content: bytes,
        *,
        file_name: str,
        by: str,
        answers: Answers,
    ) -> Upload:
        """Read a file and say what was read; nothing is stored but that.

        Raises: Refusal: unknown strategy or source, or the file is no daily record.
        """
        self._check(strategy_id, source)
        packed = zlib.compress(content)
        if len(packed) > MOST_STORED_BYTES:
            sentence = f"the file has {len(packed)} bytes compressed, at most {MOST_STORED_BYTES}"
            raise Refusal(413, "RECORD_TOO_LARGE", sentence)
        reviewed = _read(content, answers)
        row: Document = {
            "_id": secrets.token_hex(8),
            "strategy_id": strategy_id,
            "source": source,
            "file_name": file_name[:200],
            "file_hash": hashlib.sha256(content).hexdigest(),
            "uploaded_by": by,
            "uploaded_at": utc_now(),
            "status": "OPEN",
            "columns": {str(role): name for role, name in answers.columns.items()},
            "review": reviewed.review.model_dump(mode="json"),
            "content": packed,
        }
        self._store.add_review(row)
        return upload_of(row)

    def confirm(self, strategy_id: str, review_id: str, answers: Answers, *, by: str) -> Confirmed:
        """Store a reviewed file as the record of its source, all of it or nothing.

        Raises: Refusal: unknown, a question is open, or with these answers it is no record.
        """
        row = self._store.review(review_id)
        if row is None or row["strategy_id"] != strategy_id:
            sentence = f"strategy {strategy_id} has no upload {review_id!r} that waits"
            raise Refusal(404, "UNKNOWN_REVIEW", sentence)
        if row["status"] != "OPEN":
            return self._of_version(strategy_id, row["source"], int(row["number"]))
        columns = answers.columns or Answers(columns=row["columns"]).columns
        answers = answers.model_copy(update={"columns": columns})
        reviewed = _read(zlib.decompress(row["content"]), answers)
        left = reviewed.unanswered(answers)
        if left:
            sentence = "; ".join(f"{each.topic}: {each.sentence}" for each in left)
            raise Refusal(422, "RECORD_UNANSWERED", sentence, field=str(left[0].topic).lower())

        def work(session: ClientSession) -> tuple[int, bool]:
            self._check(strategy_id, row["source"], session)
            meanwhile = self._store.confirmed_as(review_id, session)
            if meanwhile is not None:
                return meanwhile, False
            return self._keep(row, reviewed, answers, by, session)

        number, unchanged = self._transaction(work)
        kept = self._of_version(strategy_id, row["source"], number)
        return kept.model_copy(update={"unchanged": unchanged})

    def _keep(
        self, row: Document, reviewed: Reviewed, answers: Answers, by: str, session: ClientSession
    ) -> tuple[int, bool]:
        review, now = reviewed.review, utc_now()
        found = self._store.current(row["strategy_id"], row["source"], session)
        unchanged = found is not None and found["content_hash"] == review.content_hash
        if found is not None and unchanged:
            number = int(found["number"])
        else:
            version = {
                "strategy_id": row["strategy_id"],
                "source": row["source"],
                "content_hash": review.content_hash,
                "file_name": row["file_name"],
                "file_hash": row["file_hash"],
                "confirmed_by": by,
                "confirmed_at": now,
                "answers": answers.model_dump(mode="json"),
                "review_id": row["_id"],
                "margin_is_derived": review.margin_is_derived,
            }
            number = self._store.add_version(version, reviewed.days, session)
        ended = {"status": "CONFIRMED", "number": number, "confirmed_by": by, "confirmed_at": now}
        if not self._store.confirm_review(row["_id"], ended, session):
            raise TransientError(_MEANWHILE)
        facts = {
            "strategy": row["strategy_id"],
            "source": row["source"],
            "number": number,
            "before": found and found["content_hash"],
            "after": review.content_hash,
            "answers": answers.model_dump(mode="json"),
        }
        audit(
            self._plain, "RECORD_CONFIRMED", service=_SERVICE, by=by, facts=facts, session=session
        )
        return number, unchanged

    def restore(
        self, strategy_id: str, source: str, number: int, *, by: str, reason: str
    ) -> Confirmed:
        """Make an earlier version the record again, as a new version. Raises: Refusal."""
        self._check(strategy_id, source)
        row = self._store.version(strategy_id, source, number)
        if row is None:
            sentence = f"the {source} of {strategy_id} has no version {number}"
            raise Refusal(404, "UNKNOWN_VERSION", sentence)
        if row.get("current"):
            return self._of_version(strategy_id, source, number)
        days = unpacked(row["payload"])
        version = {
            name: row[name]
            for name in ("content_hash", "file_name", "file_hash", "answers", "review_id")
            if name in row
        } | {
            "strategy_id": strategy_id,
            "source": source,
            "margin_is_derived": row.get("margin_is_derived", False),
            "confirmed_by": by,
            "confirmed_at": utc_now(),
            "restored_from": number,
        }

        def work(session: ClientSession) -> int:
            made = self._store.add_version(version, days, session)
            facts = {"strategy": strategy_id, "source": source, "restored": number, "number": made}
            audit(
                self._plain,
                "RECORD_RESTORED",
                service=_SERVICE,
                by=by,
                facts=facts | {"reason": reason},
                session=session,
            )
            return made

        return self._of_version(strategy_id, source, self._transaction(work))

    def summary(self, strategy_id: str) -> Summary:
        """Everything there is of a strategy's records. Raises: Refusal (404)."""
        self._check_strategy(strategy_id)
        versions = tuple(version_of(row) for row in self._store.versions(strategy_id))
        current = {each.source: each for each in versions if each.current}
        found = []
        for source in (LIVE, *CLAIMS):
            days = self._store.days(strategy_id, source)
            if days is not None:
                figures = figures_or_none(days)
                version = current.get(source)
                found.append(SourceSummary(source=source, figures=figures, version=version))
        uploads = tuple(map(upload_of, self._store.reviews(strategy_id, most=_LISTED)))
        return Summary(
            strategy_id=strategy_id, sources=tuple(found), versions=versions, uploads=uploads
        )

    def rows(
        self, strategy_id: str, source: str, *, since: date | None, until: date | None
    ) -> tuple[RowView, ...]:
        """Days of one source, oldest first. Raises: Refusal: there is no such record."""
        self._check_strategy(strategy_id)
        days = self._store.days(strategy_id, source) if source in (LIVE, *CLAIMS) else None
        if days is None:
            sentence = f"strategy {strategy_id} has no record {source!r}"
            raise Refusal(404, "UNKNOWN_RECORD", sentence)
        first, last = since or date.min, until or date.max
        return tuple(view_of(day) for day in days if first <= day.on <= last)

    def _of_version(self, strategy_id: str, source: str, number: int) -> Confirmed:
        row = self._store.version(strategy_id, source, number)
        if row is None:
            raise TransientError(f"version {number} of {source} of {strategy_id} is gone")
        days = unpacked(row["payload"])
        figures = figures_of([day.on for day in days], [float(day.ratio) for day in days])
        return Confirmed(version=version_of(row), figures=figures)

    def _check(self, strategy_id: str, source: str, session: ClientSession | None = None) -> None:
        row = self._check_strategy(strategy_id, session)
        if row.get("archived_at") is not None:
            raise Refusal(409, "STRATEGY_ARCHIVED", f"strategy {strategy_id} is archived")
        if source not in CLAIMS:
            sentence = f"source must be {' or '.join(CLAIMS)}, was {source!r}"
            if source == LIVE:
                sentence += ": the live record is made of our own fills"
            raise Refusal(422, "BAD_SOURCE", sentence, field="source")

    def _check_strategy(
        self, strategy_id: str, session: ClientSession | None = None
    ) -> dict[str, Any]:
        fields = {"archived_at": 1}
        found = self._plain["strategies"].find_one({"_id": strategy_id}, fields, session=session)
        if found is None:
            sentence = f"there is no strategy named {strategy_id!r}"
            raise Refusal(404, "UNKNOWN_STRATEGY", sentence)
        return found

    def _transaction(self, work: Callable[[ClientSession], T]) -> T:
        try:
            return self._plain.transaction(work)
        except (DuplicateKeyError, TransientError) as error:
            raise Refusal(503, "TRY_AGAIN", f"{_MEANWHILE} ({error})"[:300]) from error


def _read(content: bytes, answers: Answers) -> Reviewed:
    try:
        return review_of(read_table(content), answers, today=utc_now().date())
    except BadRecord as error:
        raise Refusal(422, error.code, str(error), field=error.field) from error
