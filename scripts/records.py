#!/usr/bin/env python3
"""Track records of strategies: what developers claim, and what we made.

    python3 scripts/records.py show ID
    python3 scripts/records.py upload ID FILE [--source SOURCE] [--column ROLE=NAME ...]
    python3 scripts/records.py confirm ID REVIEW --unit UNIT [--dates ORDER] [--sign-off TOPIC ...]
    python3 scripts/records.py take-back ID SOURCE NUMBER --reason TEXT
    python3 scripts/records.py live ID [--anew]
    python3 scripts/records.py compare ID [--source SOURCE]

SOURCE is backtest or developer_live. A file (CSV, Excel, JSON) is reviewed first, and counts when
what was read is confirmed: `upload` prints the command for that. `take-back` makes an earlier
version the one that counts; `live` makes our own record of our fills, `compare` lays it beside the
claim.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()


from scripts.tool import add_signature, run
from services.common.settings import PortfolioSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.portfolio_builder.live_records import LiveRecords
from services.portfolio_builder.record_store import CLAIMS
from services.portfolio_builder.record_views import Upload
from services.portfolio_builder.records.days import DateOrder
from services.portfolio_builder.records.figures import Figures
from services.portfolio_builder.records.questions import Answers, Topic
from services.portfolio_builder.records.units import Unit
from services.portfolio_builder.track_records import TrackRecords


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    return run(
        "records", _parser(), argv, lambda store, asked: _COMMANDS[asked.command](store, asked)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words)
        command.add_argument("strategy_id", metavar="ID")
        return command

    add("show", "every record, its versions, and files that wait")
    upload = add("upload", "review a file; it does not count yet")
    upload.add_argument("file", type=Path)
    upload.add_argument("--column", action="append", default=[], metavar="ROLE=NAME")
    confirm = add("confirm", "have a reviewed file count")
    confirm.add_argument("review_id", metavar="REVIEW")
    confirm.add_argument("--unit", type=Unit, choices=list(Unit))
    confirm.add_argument("--dates", type=DateOrder, choices=list(DateOrder))
    confirm.add_argument("--sign-off", type=Topic, choices=list(Topic), action="append", default=[])
    back = add("take-back", "make an earlier version of a record count again")
    back.add_argument("source", choices=CLAIMS)
    back.add_argument("number", type=int)
    live = add("live", "make our own record of our fills, now")
    live.add_argument("--anew", action="store_true", help="forget what capital days had before")
    compare = add("compare", "our own record beside a claim")
    for command in (upload, compare):
        command.add_argument("--source", choices=CLAIMS, default=CLAIMS[0])
    for command in (upload, confirm, live):
        add_signature(command, reason=False)
    add_signature(back)
    return parser


def _upload(store: Store, arguments: argparse.Namespace) -> None:
    content = _content(arguments.file)
    answers = Answers(columns=dict(_text_pairs(arguments.column)))
    made = TrackRecords(store).review(
        arguments.strategy_id,
        arguments.source,
        content,
        file_name=arguments.file.name,
        by=arguments.by,
        answers=answers,
    )
    _print_upload(made)


def _content(file: Path) -> bytes:
    most = load(PortfolioSettings).record_max_bytes
    try:
        if file.stat().st_size > most:
            raise ConfigurationError(f"{file} is larger than {most} bytes (RECORD_MAX_BYTES)")
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error


def _text_pairs(words: Sequence[str]) -> Mapping[str, str]:
    return {name: text for name, _, text in (each.partition("=") for each in words)}


def _print_upload(made: Upload) -> None:
    review = made.review
    print(f"{review.rows} rows of {review.kind}, {review.file_order}")
    for role, name in review.columns.items():
        print(f"  {role} is column {name!r}")
    if review.unused:
        print(f"  not used: {', '.join(review.unused)}")
    _print_figures("as read", review.figures)
    if review.gap_count:
        longest = review.gaps[0]
        print(
            f"  {review.gap_count} gaps, the longest {longest.missing} days after {longest.after}"
        )
    for note in review.notes:
        print(f"  {note}")
    for each in review.questions:
        print(f"  ? {each.topic}: {each.sentence} ({each.confidence.lower()}: {each.suggested})")
        for reason in each.evidence:
            print(f"      {reason}")
    signs = [each.topic for each in review.questions if each.choices == ("YES",)]
    options = [f"--unit {review.unit}"]
    options += [f"--dates {review.date_order}"] if review.date_order else []
    options += [f"--sign-off {topic}" for topic in signs]
    command = f"records.py confirm {made.strategy_id} {made.review_id} {' '.join(options)}"
    print(f"if all of that is so: python3 scripts/{command}")


def _print_figures(what: str, figures: Figures | None) -> None:
    if figures is None:
        return
    ratios = ("cagr_ratio", "volatility_ratio", "max_drawdown_ratio")
    shown = [
        f"{name.removesuffix('_ratio')} {getattr(figures, name):.2%}"
        for name in ratios
        if getattr(figures, name) is not None
    ]
    shown += [] if figures.sharpe is None else [f"sharpe {figures.sharpe:.2f}"]
    print(
        f"  {what}: {figures.days} days {figures.first_on} to {figures.last_on}, {', '.join(shown)}"
    )


def _confirm(store: Store, arguments: argparse.Namespace) -> None:
    answers = Answers(
        unit=arguments.unit, date_order=arguments.dates, signed_off=tuple(arguments.sign_off)
    )
    done = TrackRecords(store).confirm(
        arguments.strategy_id, arguments.review_id, answers, by=arguments.by
    )
    words = "was so already" if done.unchanged else "counts now"
    print(f"version {done.version.number} of {done.version.source} {words}")
    _print_figures(done.version.source, done.figures)


def _show(store: Store, arguments: argparse.Namespace) -> None:
    found = TrackRecords(store).summary(arguments.strategy_id)
    for each in found.sources:
        _print_figures(each.source, each.figures)
    for version in found.versions:
        mark = "*" if version.current else " "
        print(
            f" {mark}{version.source} {version.number}: {version.days} days, {version.file_name}, "
            f"confirmed by {version.confirmed_by} {version.confirmed_at:%Y-%m-%d}, "
            f"{version.content_hash[:12]}"
        )
    for waiting in (each for each in found.uploads if each.status == "OPEN"):
        print(f"  waits: {waiting.review_id} {waiting.source} {waiting.file_name}")


def _take_back(store: Store, arguments: argparse.Namespace) -> None:
    done = TrackRecords(store).restore(
        arguments.strategy_id,
        arguments.source,
        arguments.number,
        by=arguments.by,
        reason=arguments.reason,
    )
    print(f"version {arguments.number} counts again, as version {done.version.number}")


def _live(store: Store, arguments: argparse.Namespace) -> None:
    report = LiveRecords(store).rebuild(
        arguments.strategy_id, anew_by=arguments.by if arguments.anew else None
    )
    made = f"{report.pnl:,.2f} {report.currency}" if report.currency else "nothing was traded"
    print(f"{report.days} days up to {report.until}, {made}; {report.changed} rows changed")
    for note in report.notes:
        print(f"  {note}")
    if report.unknown_count:
        print(f"  {report.unknown_count} days are not known, the last ones:")
    for each in report.unknown[:10]:
        print(f"    {each.date}: {each.reason}")


def _compare(store: Store, arguments: argparse.Namespace) -> None:
    found = LiveRecords(store).compare(arguments.strategy_id, arguments.source)
    print(found.verdict)
    _print_figures("live", found.live)
    _print_figures(arguments.source, found.claimed)
    for sentence in found.sentences:
        print(f"  {sentence}")


_COMMANDS = {
    "show": _show,
    "upload": _upload,
    "confirm": _confirm,
    "take-back": _take_back,
    "live": _live,
    "compare": _compare,
}


if __name__ == "__main__":
    sys.exit(main())
