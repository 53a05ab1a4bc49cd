"""A fund with a history, two strategies and a day of trading, as dashboards read it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from fastapi import FastAPI

from services.common.operators import Operators
from services.common.ops import Health
from services.common.store import Store, to_document
from services.dashboard_creator.api import create_app
from services.dashboard_creator.dashboards import MadeDashboards
from services.dashboard_creator.dashboards_api import add_dashboard_routes, add_sender_routes
from services.dashboard_creator.investor_api import add_investor_routes
from services.dashboard_creator.overview_api import add_overview_routes
from services.dashboard_creator.overview_service import OverviewPages, PageTerms
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.reports import Reports
from services.dashboard_creator.reports_api import add_report_routes
from services.dashboard_creator.results_store import ResultsStore
from services.dashboard_creator.senders import Senders
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.dashboard_creator.summary_store import SummaryStore
from services.domain.risk import EquityMarks, Fund
from tests.support.builders import ACCOUNT, NOW, STRATEGY, make_instrument, make_signal
from tests.support.documents import (
    after,
    make_decision_document,
    make_fill_document,
    make_order_document,
    make_position_document,
    make_signal_document,
)
from tests.support.rows import add_account, add_strategy, allow_trading

#: A Friday.
TODAY = NOW.date()
KEY = make_instrument().key


class Results:
    """Everything that serves results, at a time of the test's own."""

    def __init__(self, store: Store, *, now=NOW, show_names: bool = False) -> None:
        self.now = now
        self.rows = SummaryStore(store)
        self.kept = ResultsStore(store)
        facts = OverviewStore(store)
        terms = PageTerms("paper", 60, 0, clock=lambda: self.now)
        self.overview = OverviewPages(facts, self.rows, terms)
        self.senders = Senders(self.kept, facts, clock=lambda: self.now)
        self.made = MadeDashboards(self.kept, facts, self.rows, self.overview, self.senders)
        self.reports = Reports(
            self.kept,
            facts,
            self.rows,
            self.overview,
            trading_mode="paper",
            clock=lambda: self.now,
        )
        self.app = self._app(store, facts, show_names=show_names)

    def _app(self, store: Store, facts: OverviewStore, *, show_names: bool) -> FastAPI:
        dashboards = Dashboards(
            DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=0
        )
        app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
        add_overview_routes(app, self.overview)
        add_dashboard_routes(app, self.made)
        add_sender_routes(app, self.senders, self.made)
        add_investor_routes(
            app,
            facts,
            self.overview,
            show_names=show_names,
            refresh_seconds=0,
            clock=lambda: self.now,
        )
        add_report_routes(app, self.reports)
        return app


def on(days_ago: int) -> str:
    return (TODAY - timedelta(days=days_ago)).isoformat()


def add_fund(store: Store, closes=("100000", "101000", "99990", "102000"), *, paid="0"):
    """A fund whose last close is of today; `paid` came today and is no gain."""
    count = len(closes)
    for place, close in enumerate(closes):
        day, amount = on(count - 1 - place), Decimal(close)
        last = place == count - 1
        flows = Decimal(paid) if last else Decimal(0)
        start = {"start": Decimal(closes[place - 1]) if place else amount}
        store["fund_history"].insert_one(
            {
                "_id": f"PAPER|{day}",
                "account_type": "PAPER",
                "date": day,
                **dict.fromkeys(("open", "high", "low"), amount),
                "close": amount + flows,
                "flows": flows,
                "currency": "USD",
                "as_of": NOW - timedelta(days=count - 1 - place),
                # What the day began with at the size of its end: after a payment it is scaled.
                "start": start["start"] * (amount + flows) / amount,
            }
        )
    equity = Decimal(closes[-1]) + Decimal(paid)
    begun = Decimal(closes[-2])
    marks = EquityMarks(
        day=TODAY.isoformat(),
        day_start=begun,
        day_low=begun,
        day_base=begun + Decimal(paid),
        last=equity,
        peak=Decimal(110000),
    )
    fund = Fund(currency="USD", equity=equity, as_of=NOW, account_ids=(ACCOUNT,), marks=marks)
    store["funds"].insert_one({"_id": "PAPER", **to_document(fund)})
    for minutes in (90, 60, 30, 0):
        at = NOW - timedelta(minutes=minutes)
        store["fund_points"].insert_one(
            {
                "_id": f"PAPER|{at:%Y-%m-%dT%H:%M}",
                "account_type": "PAPER",
                "at": at,
                "equity": equity - minutes,
                "currency": "USD",
                "marks": {**to_document(marks), "last": equity - minutes},
            }
        )


def add_marks(store: Store, prices, key=KEY, currency="USD"):
    """Last prices by how many days ago."""
    for days_ago, price in prices.items():
        store["daily_marks"].insert_one(
            {
                "_id": f"{ACCOUNT}|{key}|{on(days_ago)}",
                "account_id": ACCOUNT,
                "instrument_key": key,
                "date": on(days_ago),
                "price": Decimal(price),
                "currency": currency,
                "fx_rate": None,
                "as_of": NOW,
            }
        )


def add_record(store: Store, returns, strategy_id=STRATEGY, capital="50000"):
    """A strategy's own record, the last day yesterday, and what the night said of it."""
    for place, ratio in enumerate(reversed(returns), start=1):
        store["strategy_returns"].insert_one(
            {
                "_id": f"{strategy_id}|live|{on(place)}",
                "strategy_id": strategy_id,
                "source": "live",
                "date": on(place),
                "return": Decimal(ratio),
                "pnl": Decimal(ratio) * Decimal(capital),
                "capital": Decimal(capital),
                "currency": "USD",
                "covers": 1,
            }
        )
    report = {"until": on(1), "verdict": "DOUBTFUL", "verdict_sentences": ["of two minds"]}
    store["live_reports"].insert_one({"_id": strategy_id, **report})


def busy_day(store: Store) -> None:
    """Bought 17 AAPL at 150.02 today, one signal denied, the fund 2 % up."""
    allow_trading(store)
    add_account(store, equity="102000", initial_margin=Decimal(20400), as_of=NOW)
    add_strategy(store)
    add_strategy(store, "Quiet", ratio="0.25")
    add_fund(store)
    add_record(store, ["0.01", "-0.02", "0.03"])
    add_marks(store, {1: "149", 0: "151"})
    stages = {
        "received_at": NOW,
        "standardized_at": after(2),
        "decided_at": after(4),
        "submitted_at": after(9),
        "first_fill_at": after(14),
    }
    store["signal_store"].insert_one(make_signal_document(stages=stages))
    store["orders"].insert_one(make_order_document(filled=17, price="150.02"))
    fill = make_fill_document(commission_currency="USD")
    store["execution_confirmations"].insert_one(fill)
    store["positions"].insert_one(make_position_document())
    store["signal_store"].insert_one(
        make_signal_document(
            signal=make_signal(signal_id="sig_2", received_at=after(1000)),
            status="DENIED",
            decision=make_decision_document(
                "DENIED",
                code="MARGIN_EXCEEDED",
                reason="account Mock-1 has 321 USD of margin left",
            ),
        )
    )
