"""What the pages of the UI read: builds it and adds its routes."""

from __future__ import annotations

from fastapi import FastAPI

from services.common.settings import DashboardSettings
from services.common.store import Store
from services.dashboard_creator.activity import Activities
from services.dashboard_creator.frame_api import add_frame_routes
from services.dashboard_creator.frames import Frames
from services.dashboard_creator.lists import Lists
from services.dashboard_creator.lists_api import add_list_routes
from services.dashboard_creator.lists_store import ListStore


def add_reading(app: FastAPI, store: Store, settings: DashboardSettings) -> None:
    """Lists, pages of one thing, the top bar, the system, and the stream."""
    lists = Lists(ListStore(store), Activities(store))
    add_list_routes(app, lists)
    frames = Frames(
        store,
        trading_mode=settings.trading_mode,
        max_age_seconds=float(settings.account_max_age_s),
    )
    add_frame_routes(app, frames)
