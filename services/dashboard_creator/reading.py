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
from services.dashboard_creator.search import Search
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.signal_pages import SignalPages
from services.dashboard_creator.stream import Feed
from services.dashboard_creator.stream_api import add_stream_routes
from services.dashboard_creator.system_api import add_system_routes
from services.dashboard_creator.systems import Systems
from services.dashboard_creator.things_api import add_thing_routes


def add_reading(
    app: FastAPI, store: Store, settings: DashboardSettings, dashboards: Dashboards
) -> Feed:
    """Lists, pages of one thing, the top bar, the system, and the stream.

    Returns: the feed of the stream: to be started last and stopped first, so that open streams keep
        no server from ending.
    """
    rows = ListStore(store)
    add_list_routes(app, Lists(rows, Activities(store)))
    add_thing_routes(app, SignalPages(store, dashboards), Search(rows))
    frames = Frames(
        store,
        trading_mode=settings.trading_mode,
        max_age_seconds=float(settings.account_max_age_s),
    )
    add_frame_routes(app, frames)
    add_system_routes(app, Systems(store, settings))
    feed = Feed(store)
    add_stream_routes(app, feed)
    return feed
