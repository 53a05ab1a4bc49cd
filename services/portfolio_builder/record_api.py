"""HTTP of track records."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Iterable
from datetime import date
from enum import Enum
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from services.common.callers import Caller, allow
from services.common.problems import Refusal, problem_responses
from services.domain.users import Permission
from services.domain.values import Count, Frozen
from services.portfolio_builder.live_comparison import Comparison
from services.portfolio_builder.live_records import LiveRecords, LiveReport
from services.portfolio_builder.record_views import Confirmed, Summary, Upload
from services.portfolio_builder.records.columns import Role
from services.portfolio_builder.records.questions import Answers
from services.portfolio_builder.records.rows import RowView
from services.portfolio_builder.track_records import TrackRecords

_PROBLEMS = problem_responses(401, 403, 404, 409, 413, 422, 503)
_READS = problem_responses(401, 403, 404, 422, 503)
_TAGS: list[str | Enum] = ["records"]
_FILE = {
    "requestBody": {
        "required": True,
        "description": "The file itself, or a form with one file.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {"schema": {}},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]
_NAMED = "name of the column, where it is not told apart rightly"


class Restoration(Frozen):
    """Which earlier version, and why."""

    number: Count
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class SentFile(NamedTuple):
    """A file as it came."""

    name: str
    content: bytes


def add_record_routes(app: FastAPI, records: TrackRecords, *, max_bytes: int) -> None:
    """Upload, confirm, restore and read track records; files up to `max_bytes`."""
    app.state.record_max_bytes = max_bytes

    @app.post(
        "/api/v1/strategies/{strategy_id}/records",
        status_code=201,
        tags=_TAGS,
        responses=_PROBLEMS,
        openapi_extra=_FILE,
    )
    def upload_record(
        strategy_id: str,
        sent: Annotated[SentFile, Depends(_sent_file)],
        by: Admin,
        source: Annotated[Literal["backtest", "developer_live", "live"], Query()] = "backtest",
        columns: Annotated[dict[Role, str], Depends(_columns)] = {},  # noqa: B006 - never changed
    ) -> Upload:
        """Review a CSV, Excel or JSON file; nothing counts before it is confirmed."""
        answers = Answers(columns=columns)
        return records.review(
            strategy_id, source, sent.content, file_name=sent.name, by=by.name, answers=answers
        )

    @app.post(
        "/api/v1/strategies/{strategy_id}/records/{review_id}/confirm",
        tags=_TAGS,
        responses=_PROBLEMS,
    )
    def confirm_record(
        strategy_id: str,
        review_id: str,
        answers: Answers,
        by: Admin,
    ) -> Confirmed:
        """Store a reviewed file as the record of its source; the former one is kept."""
        return records.confirm(strategy_id, review_id, answers, by=by.name)

    @app.post(
        "/api/v1/strategies/{strategy_id}/records/{source}/restore",
        tags=_TAGS,
        responses=_PROBLEMS,
    )
    def restore_record(
        strategy_id: str,
        source: str,
        asked: Restoration,
        by: Admin,
    ) -> Confirmed:
        """Make an earlier version the record again."""
        return records.restore(strategy_id, source, asked.number, by=by.name, reason=asked.reason)

    @app.get("/api/v1/strategies/{strategy_id}/records", tags=_TAGS, responses=_READS)
    def list_records(strategy_id: str, _by: Reader) -> Summary:
        """What there is of each source, every version, and files that were sent."""
        return records.summary(strategy_id)

    @app.get(
        "/api/v1/strategies/{strategy_id}/records/{source}.csv",
        tags=_TAGS,
        responses={**_READS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        response_class=Response,
    )
    def export_record(strategy_id: str, source: str, _by: Reader) -> Response:
        """A record as CSV, exact."""
        rows = records.rows(strategy_id, source, since=None, until=None)
        name = f'attachment; filename="{strategy_id}-{source}.csv"'
        return Response(_csv(rows), media_type="text/csv", headers={"Content-Disposition": name})

    @app.get("/api/v1/strategies/{strategy_id}/records/{source}", tags=_TAGS, responses=_READS)
    def get_record(
        strategy_id: str,
        source: str,
        _by: Reader,
        since: Annotated[date | None, Query(alias="from", description="first day")] = None,
        until: Annotated[date | None, Query(alias="to", description="last day")] = None,
    ) -> tuple[RowView, ...]:
        """Days of one source, oldest first."""
        return records.rows(strategy_id, source, since=since, until=until)


def add_live_routes(app: FastAPI, live: LiveRecords) -> None:
    """Our own record, and the developer's claim beside it."""

    @app.post("/api/v1/strategies/{strategy_id}/live-record", tags=_TAGS, responses=_PROBLEMS)
    def rebuild_live_record(
        strategy_id: str,
        by: Admin,
        anew: Annotated[
            bool, Query(description="forget the capital that days were told with before")
        ] = False,
    ) -> LiveReport:
        """Make our own record now, as every night, up to yesterday in UTC."""
        return live.rebuild(strategy_id, anew_by=by.name if anew else None)

    @app.get("/api/v1/strategies/{strategy_id}/live-record", tags=_TAGS, responses=_READS)
    def get_live_report(strategy_id: str, _by: Reader) -> LiveReport:
        """What the last run came to, and days of which nobody knows what they made."""
        return live.report(strategy_id)

    @app.get("/api/v1/strategies/{strategy_id}/live-against-claimed", tags=_TAGS, responses=_READS)
    def get_live_against_claimed(
        strategy_id: str,
        _by: Reader,
        source: Annotated[Literal["backtest", "developer_live"], Query()] = "backtest",
    ) -> Comparison:
        """Our own record beside a claim, with a verdict in words."""
        return live.compare(strategy_id, source)


def _columns(
    date_column: Annotated[str | None, Query(description=_NAMED)] = None,
    return_column: Annotated[str | None, Query(description=_NAMED)] = None,
    pnl_column: Annotated[str | None, Query(description=_NAMED)] = None,
    margin_column: Annotated[str | None, Query(description=_NAMED)] = None,
    equity_column: Annotated[str | None, Query(description=_NAMED)] = None,
) -> dict[Role, str]:
    named = {
        Role.DATE: date_column,
        Role.RETURN: return_column,
        Role.PNL: pnl_column,
        Role.MARGIN: margin_column,
        Role.EQUITY: equity_column,
    }
    return {role: name for role, name in named.items() if name is not None}


async def _sent_file(request: Request, _by: Admin) -> SentFile:
    """The file of a request, read to its limit and no further; only operators may send one."""
    most: int = request.app.state.record_max_bytes
    content = b"".join([chunk async for chunk in _limited(request, most)])
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return SentFile(request.headers.get("x-file-name", "upload"), content)
    try:
        form = await MultiPartParser(
            request.headers, _again(content), max_files=1, max_fields=10
        ).parse()
    except (MultiPartException, KeyError) as error:
        raise Refusal(422, "BAD_FORM", f"the form cannot be read: {error}") from error
    files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
    if len(files) != 1:
        sentence = f"the form must have one file, found {len(files)}"
        raise Refusal(422, "BAD_FORM", sentence, field="file")
    read = await files[0].read()
    await form.close()
    return SentFile(files[0].filename or "upload", read)


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            sentence = f"the file must be at most {most} bytes (RECORD_MAX_BYTES)"
            raise Refusal(413, "RECORD_TOO_LARGE", sentence)
        yield chunk


async def _again(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


def _csv(rows: Iterable[RowView]) -> str:
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerow(("date", "return", "pnl", "notional", "margin", "equity"))
    for row in rows:
        figures = (row.ratio, row.pnl, row.notional, row.margin, row.equity)
        texts = ["" if each is None else f"{each:f}" for each in figures]
        writer.writerow([row.date.isoformat(), *texts])
    return kept.getvalue()
