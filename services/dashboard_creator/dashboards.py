"""Makes the client's and the senders' dashboards, and keeps them until the next time."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from services.common.problems import Refusal
from services.common.store import from_document
from services.dashboard_creator.client_dashboard import ClientFacts, client_dashboard
from services.dashboard_creator.client_models import ClientDashboard
from services.dashboard_creator.overview_page import main_type
from services.dashboard_creator.overview_service import OverviewPages
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.results_store import ResultsStore
from services.dashboard_creator.sender_dashboard import SenderFacts, record_days, sender_dashboard
from services.dashboard_creator.sender_models import SenderDashboard
from services.dashboard_creator.senders import Senders
from services.dashboard_creator.summary_days import Tally, summed
from services.dashboard_creator.summary_store import SummaryStore

_log = logging.getLogger(__name__)
_CLIENT: Final = "client"
_RECENT_SIGNALS: Final = 20
_RECENT_TRADES: Final = 20
_TRADE_DAYS: Final = 7
#: A broker's clock may be ahead of ours.
_AHEAD: Final = timedelta(days=1)
#: Of these days are lags.
_LAG_DAYS: Final = 30


class MadeDashboards:
    """Both kinds of dashboard; each is made by the schedule, or where there is none yet."""

    def __init__(
        self,
        store: ResultsStore,
        facts: OverviewStore,
        summaries: SummaryStore,
        overview: OverviewPages,
        senders: Senders,
    ) -> None:
        self._store = store
        self._facts = facts
        self._summaries = summaries
        self._overview = overview
        self._senders = senders
        self._one_at_a_time = threading.Lock()

    def client(self) -> ClientDashboard:
        """As it was made last."""
        found = self._store.dashboard(_CLIENT)
        try:
            return from_document(ClientDashboard, found) if found else self.make_client()
        except ValidationError:  # made by an earlier version
            return self.make_client()

    def sender(self, strategy_id: str) -> SenderDashboard:
        """As it was made last. Raises: Refusal (404): there is no such strategy."""
        self._senders.check(strategy_id)
        found = self._store.dashboard(_name(strategy_id))
        try:
            return from_document(SenderDashboard, found) if found else self.make_sender(strategy_id)
        except ValidationError:
            return self.make_sender(strategy_id)

    def make_client(self) -> ClientDashboard:
        """Make and keep it."""
        with self._one_at_a_time:
            now = self._senders.clock()
            page = client_dashboard(self._client_facts(now), now)
            self._store.keep_dashboard(_CLIENT, page)
            return page

    def _client_facts(self, now: datetime) -> ClientFacts:
        accounts = self._facts.accounts()
        account_type = main_type(accounts)
        fund = self._facts.fund(account_type)
        names = sorted({row["_id"] for row in self._facts.strategies()})
        ids = [each.account_id for each in accounts]
        since = (now - timedelta(days=_LAG_DAYS)).date().isoformat()
        return ClientFacts(
            account_type=account_type,
            currency=fund.currency if fund else "USD",
            accounts=accounts,
            gains=self._facts.gains(ids),
            fund=self._overview.fund_days(account_type),
            ratios=self._facts.allocation_ratios(),
            tallies=dict(self._summaries.totals()),
            records={name: record_days(self._store.record(name)) for name in names},
            recent=summed(self._summaries.since(since)),
            fills=self._store.newest_fills(
                ids, now - timedelta(days=_TRADE_DAYS), now + _AHEAD, _RECENT_TRADES
            ),
        )

    def make_sender(self, strategy_id: str) -> SenderDashboard:
        """Make and keep the one of a strategy."""
        now = self._senders.clock()
        page = sender_dashboard(
            self.sender_facts(strategy_id, now),
            self._senders.signals(strategy_id, limit=_RECENT_SIGNALS, before=None).rows,
            self._senders.positions(strategy_id).rows,
            now,
        )
        self._store.keep_dashboard(_name(strategy_id), page)
        return page

    def sender_facts(self, strategy_id: str, now: datetime) -> SenderFacts:
        """What a strategy has done."""
        first = (now - timedelta(days=_LAG_DAYS)).date().isoformat()
        return SenderFacts(
            strategy_id=strategy_id,
            tally=self._summaries.total(strategy_id) or Tally(),
            recent=summed(self._summaries.days(strategy_id, first, now.date().isoformat())),
            record=self._store.record(strategy_id),
            ratio=self._facts.allocation_ratios().get(strategy_id),
        )

    def make_senders(self) -> int:
        """Make those of all strategies; one that cannot be made leaves the others. How many."""
        made = 0
        for row in self._facts.strategies():
            try:
                self.make_sender(row["_id"])
                made += 1
            except (Refusal, ValidationError) as error:
                _log.error("the dashboard of %s cannot be made: %s", row["_id"], error)
        return made

    def regenerate(self, *, by: str) -> int:
        """Make all of them now, because somebody wants them; how many."""
        self.make_client()
        made = self.make_senders() + 1
        self._store.note("DASHBOARDS_REGENERATED", by=by, facts={"dashboards": made})
        return made


def _name(strategy_id: str) -> str:
    return f"signal-sender|{strategy_id}"
