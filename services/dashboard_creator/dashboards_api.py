"""HTTP of the client's and the senders' dashboards, and of what developers ask."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.dashboard_creator.client_models import ClientDashboard
from services.dashboard_creator.dashboards import MadeDashboards
from services.dashboard_creator.models import View
from services.dashboard_creator.sender_dashboard import summary_of
from services.dashboard_creator.sender_models import (
    SenderDashboard,
    SenderEquity,
    SenderPositions,
    SenderSignalPage,
    SenderSignals,
    SenderSummary,
)
from services.dashboard_creator.senders import Senders
from services.domain.users import Permission
from services.domain.words import SignalStatus

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]
#: Whoever reads everything, and the developer of the strategy that the path names.
Owner = Annotated[Caller, Depends(allow(Permission.READ, own=True))]
_REFUSALS: Final = problem_responses(401, 403, 404, 422)
Limit = Annotated[int, Query(ge=1, le=500, description="at most so many, newest first")]
Before = Annotated[str | None, Query(max_length=500, description="`next` of an earlier answer")]


class Regenerated(View):
    """How many dashboards were made."""

    dashboards: int


def add_dashboard_routes(app: FastAPI, made: MadeDashboards) -> None:
    """Serve the dashboards."""

    @app.get("/api/v1/dashboards/client", responses=_REFUSALS, tags=["dashboards"])
    def get_client_dashboard(_caller: Reader) -> ClientDashboard:
        """What the fund has and has made; made every five minutes."""
        return made.client()

    @app.get(
        "/api/v1/dashboards/signal-sender/{strategy_id}", responses=_REFUSALS, tags=["dashboards"]
    )
    def get_sender_dashboard(strategy_id: str, _caller: Owner) -> SenderDashboard:
        """What has become of a strategy's signals; made every minute."""
        return made.sender(strategy_id)

    @app.post("/api/v1/dashboards/regenerate", responses=_REFUSALS, tags=["dashboards"])
    def regenerate_dashboards(caller: Trader) -> Regenerated:
        """Make all dashboards now."""
        return Regenerated(dashboards=made.regenerate(by=caller.name))


def add_sender_routes(app: FastAPI, senders: Senders, made: MadeDashboards) -> None:
    """Serve what developers ask of their strategies."""
    base = "/api/v1/signal-senders/{strategy_id}"

    @app.get(f"{base}/signals", responses=_REFUSALS, tags=["signal senders"])
    def list_sender_signals(
        strategy_id: str,
        _caller: Owner,
        limit: Limit = 50,
        before: Before = None,
        status: SignalStatus | None = None,
    ) -> SenderSignals:
        """Signals of a strategy, newest first."""
        return senders.signals(strategy_id, limit=limit, before=before, status=status)

    @app.get(f"{base}/signals/{{signal_id}}", responses=_REFUSALS, tags=["signal senders"])
    def get_sender_signal(strategy_id: str, signal_id: str, _caller: Owner) -> SenderSignalPage:
        """Everything that the sender may see of one signal."""
        return senders.signal(strategy_id, signal_id)

    @app.get(f"{base}/positions", responses=_REFUSALS, tags=["signal senders"])
    def list_sender_positions(strategy_id: str, _caller: Owner) -> SenderPositions:
        """What the strategy holds, over all accounts."""
        return senders.positions(strategy_id)

    @app.get(f"{base}/summary", responses=_REFUSALS, tags=["signal senders"])
    def get_sender_summary(strategy_id: str, _caller: Owner) -> SenderSummary:
        """All signals and trades since the first one, as of now."""
        senders.check(strategy_id)
        now = senders.clock()
        return summary_of(made.sender_facts(strategy_id, now), now.date())

    @app.get(f"{base}/equity", responses=_REFUSALS, tags=["signal senders"])
    def get_sender_equity(strategy_id: str, _caller: Owner) -> SenderEquity:
        """The strategy's own curve, made each night."""
        return senders.equity(strategy_id)
