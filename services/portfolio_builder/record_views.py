"""Track records as they are shown: files that wait, versions, what there is of each source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.common.store import Document
from services.domain.values import Frozen, Instant
from services.portfolio_builder.records.figures import Figures, figures_of
from services.portfolio_builder.records.review import Review
from services.portfolio_builder.records.rows import Day


class Upload(Frozen):
    """A reviewed file that waits for its confirmation, or was confirmed.

    Attributes:
        status: OPEN or CONFIRMED.
        number: of the version that it became.
    """

    review_id: str
    strategy_id: str
    source: str
    file_name: str
    uploaded_by: str
    uploaded_at: Instant
    status: str
    review: Review
    number: int | None = None


class Version(Frozen):
    """One stored claim.

    Attributes:
        number: counts up for each source of a strategy.
        current: whether it is the one that counts.
        content_hash: of its days and figures.
        restored_from: number of the earlier version it repeats; None = it came from a file.
    """

    strategy_id: str
    source: str
    number: int
    current: bool = False
    content_hash: str
    file_name: str
    days: int
    first_on: date
    last_on: date
    confirmed_by: str
    confirmed_at: Instant
    margin_is_derived: bool = False
    restored_from: int | None = None


class SourceSummary(Frozen):
    """What there is of one source."""

    source: str
    figures: Figures | None
    version: Version | None = None


class Summary(Frozen):
    """Every record of a strategy, its versions, and files that were sent."""

    strategy_id: str
    sources: tuple[SourceSummary, ...]
    versions: tuple[Version, ...]
    uploads: tuple[Upload, ...]


class Confirmed(Frozen):
    """What a confirmation stored.

    Attributes:
        unchanged: the same days and figures were the record already.
    """

    version: Version
    figures: Figures
    unchanged: bool = False


def figures_or_none(days: Sequence[Day]) -> Figures | None:
    """Statistics of days; None where they are too few for any."""
    if len(days) < 2:
        return None
    return figures_of([day.on for day in days], [float(day.ratio) for day in days])


def upload_of(row: Document) -> Upload:
    """A file as it is shown."""
    fields = {name: row[name] for name in row if name in Upload.model_fields}
    return Upload.model_validate(fields | {"review_id": row["_id"]})


def version_of(row: Document) -> Version:
    """A version as it is shown."""
    return Version.model_validate({name: row[name] for name in row if name in Version.model_fields})
