#!/usr/bin/env python3
"""What each strategy is given: look, propose, compare, approve, reject, revert.

    python3 scripts/allocations.py show [--json]
    python3 scripts/allocations.py history [--json]
    python3 scripts/allocations.py proposals [--all] [--json]
    python3 scripts/allocations.py propose STRATEGY=SHARE ... [--keep] --reason TEXT
    python3 scripts/allocations.py compare PROPOSAL | STRATEGY=SHARE ... [--keep] [--days N]
    python3 scripts/allocations.py approve PROPOSAL --version N --reason TEXT [--override TEXT]
    python3 scripts/allocations.py reject PROPOSAL --reason TEXT
    python3 scripts/allocations.py revert TO_VERSION --version N --reason TEXT

A share is 0.3 or 30%. Who is not named gets nothing; with --keep they keep what they have. What is
approved trades within a second; N is the current version, as `show` and `compare` print it: where
somebody else has approved another one meanwhile, nothing is changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()


from scripts.tool import add_signature, print_json, ratio_of, run
from services.common.settings import PortfolioSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.portfolio_builder.allocation_service import Allocations, Compared
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.allocations import (
    Allocation,
    Approval,
    Proposal,
    ProposalStatus,
    Wish,
    in_percent,
    rows_of,
)
from services.portfolio_builder.comparison import Figures, Span


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    return run("allocations", _parser(), argv, _run)


def _run(store: Store, arguments: argparse.Namespace) -> None:
    max_total_ratio = load(PortfolioSettings).max_total_allocation_pct / 100
    allocations = Allocations(AllocationStore(store), max_total_ratio=max_total_ratio)
    _COMMANDS[arguments.command](allocations, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    for name, words in (
        ("show", "what trades now"),
        ("history", "every version, the newest first"),
        ("proposals", "what waits for a person's word"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("--json", action="store_true", help="for machines")
        if name == "proposals":
            command.add_argument("--all", action="store_true", help="also those that are decided")
    propose = commands.add_parser("propose", help="propose an allocation; it trades nothing")
    compare = commands.add_parser("compare", help="set a proposal, or shares, against what trades")
    for command in (propose, compare):
        command.add_argument("words", nargs="+", metavar="STRATEGY=SHARE")
        command.add_argument("--keep", action="store_true", help="who is not named keeps theirs")
    compare.add_argument("--days", type=int, default=63, help="how many of the last days to show")
    compare.add_argument("--json", action="store_true", help="for machines")
    approve = commands.add_parser("approve", help="make a proposal the current allocation")
    approve.add_argument("proposal")
    approve.add_argument("--override", default="", metavar="TEXT", help="why, against a study")
    reject = commands.add_parser("reject", help="close a proposal")
    reject.add_argument("proposal")
    revert = commands.add_parser("revert", help="have an earlier version hold again")
    revert.add_argument("to_version", type=int)
    for command in (approve, revert):
        command.add_argument("--version", type=int, required=True, help="the current one")
    for command in (propose, approve, reject, revert):
        add_signature(command)
    return parser


def _show(allocations: Allocations, arguments: argparse.Namespace) -> None:
    current = allocations.current()
    if arguments.json:
        print_json([current])
    else:
        _print(current)


def _print(allocation: Allocation) -> None:
    if not allocation.version and not allocation.allocations:
        print("version 0: nothing was ever approved, so nothing may be entered")
        return
    at = f" at {allocation.approved_at:%Y-%m-%d %H:%M:%S} UTC" if allocation.approved_at else ""
    print(
        f"version {allocation.version}, approved by {allocation.approved_by or 'nobody'}{at}: "
        f"{allocation.reason}"
    )
    for row in allocation.allocations:
        print(f"  {row.strategy_id}  {in_percent(row.ratio)}")
    print(f"  together  {in_percent(allocation.total_ratio)}")
    for words in (*allocation.warnings, allocation.override and f"override: {allocation.override}"):
        if words:
            print(f"  ! {words}")


def _history(allocations: Allocations, arguments: argparse.Namespace) -> None:
    found = allocations.history(before=None, limit=200)
    if arguments.json:
        print_json(found)
        return
    for each in found:
        _print(each)
    if not found:
        print("nothing was ever approved")


def _proposals(allocations: Allocations, arguments: argparse.Namespace) -> None:
    status = None if arguments.all else ProposalStatus.OPEN
    found = allocations.proposals(status=status, limit=200)
    if arguments.json:
        print_json(found)
        return
    for each in found:
        _print_proposal(each)
    if not found:
        print("no proposal waits")


def _print_proposal(proposal: Proposal) -> None:
    shares = ", ".join(f"{row.strategy_id} {in_percent(row.ratio)}" for row in proposal.allocations)
    print(
        f"{proposal.proposal_id}  {proposal.status}  {proposal.origin} by {proposal.proposed_by} "
        f"at {proposal.proposed_at:%Y-%m-%d %H:%M} UTC: {proposal.reason}"
    )
    print(f"  {shares or 'nothing for anybody'}")
    for words in (*proposal.objections, *proposal.warnings):
        print(f"  ! {words}")


def _ratios(allocations: Allocations, arguments: argparse.Namespace) -> dict[str, Decimal]:
    """Shares as they were typed, checked as those over HTTP are."""
    given: dict[str, Decimal] = {}
    for word in arguments.words:
        name, sign, share = word.rpartition("=")
        if not sign or not name.strip():
            raise ConfigurationError(f"a share is given as STRATEGY=SHARE, was {word!r}")
        if name in given:
            raise ConfigurationError(f"{name} is given twice")
        given[name] = ratio_of(share)
    kept = allocations.current().ratios if arguments.keep else {}
    return {row.strategy_id: row.ratio for row in rows_of(kept | given)}


def _propose(allocations: Allocations, arguments: argparse.Namespace) -> None:
    ratios = _ratios(allocations, arguments)
    wish = Wish(ratios=ratios, by=arguments.by, reason=arguments.reason)
    _print_proposal(allocations.propose(wish))


def _compare(allocations: Allocations, arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.days <= 2520:
        raise ConfigurationError(f"--days must be 1 to 2520, was {arguments.days}")
    if len(arguments.words) == 1 and "=" not in arguments.words[0]:
        found = allocations.compare_proposal(arguments.words[0], last_days=arguments.days)
    else:
        ratios = _ratios(allocations, arguments)
        found = allocations.compare(ratios, last_days=arguments.days)
    if arguments.json:
        print_json([found])
    else:
        _print_comparison(found)


def _print_comparison(found: Compared) -> None:
    comparison = found.comparison
    print(
        f"against version {found.version}: {in_percent(comparison.total_before_ratio)} -> "
        f"{in_percent(comparison.total_after_ratio)}, turnover "
        f"{in_percent(comparison.turnover_ratio)}"
    )
    for each in comparison.strategies:
        print(
            f"  {each.strategy_id}  {in_percent(each.before_ratio)} -> "
            f"{in_percent(each.after_ratio)}, risk "
            f"{_percent(each.risk_share_before_ratio)} -> {_percent(each.risk_share_after_ratio)}, "
            f"return a year {_percent(each.return_before_ratio)} -> "
            f"{_percent(each.return_after_ratio)}"
        )
    _print_span("all common days", comparison.aligned)
    _print_span("the last days", comparison.recent)
    for words in (*found.faults, *found.objections, *found.warnings, *comparison.notes):
        print(f"  ! {words}")


def _print_span(name: str, span: Span | None) -> None:
    if span is None:
        return
    print(f"{name}, {span.from_on} to {span.to_on}:")
    for side, figures in (("before", span.before), ("after", span.after)):
        print(f"  {side}: {_in_words(figures)}")


def _in_words(figures: Figures) -> str:
    sharpe = "-" if figures.sharpe is None else f"{figures.sharpe:.2f}"
    return (
        f"return {_percent(figures.total_return_ratio)}, a year "
        f"{_percent(figures.annual_return_ratio)}, volatility "
        f"{_percent(figures.volatility_ratio)}, Sharpe {sharpe}, largest loss "
        f"{_percent(figures.max_drawdown_ratio)}"
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _approve(allocations: Allocations, arguments: argparse.Namespace) -> None:
    _print(allocations.approve(arguments.proposal, _approval(arguments, arguments.override)))


def _approval(arguments: argparse.Namespace, override: str = "") -> Approval:
    return Approval(
        version=arguments.version, by=arguments.by, reason=arguments.reason, override=override
    )


def _reject(allocations: Allocations, arguments: argparse.Namespace) -> None:
    signed = {"by": arguments.by, "reason": arguments.reason}
    _print_proposal(allocations.reject(arguments.proposal, **signed))


def _revert(allocations: Allocations, arguments: argparse.Namespace) -> None:
    _print(allocations.revert(arguments.to_version, _approval(arguments)))


_COMMANDS = {
    "show": _show,
    "history": _history,
    "proposals": _proposals,
    "propose": _propose,
    "compare": _compare,
    "approve": _approve,
    "reject": _reject,
    "revert": _revert,
}

if __name__ == "__main__":
    sys.exit(main())
