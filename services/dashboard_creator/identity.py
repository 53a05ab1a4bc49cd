"""Wiring of log-in, profile, users and audit log; `add_identity` is all that the process needs."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI

from services.common.passwords import Passwords
from services.common.sessions import Lifetime
from services.common.settings import DashboardSettings
from services.common.store import Store
from services.common.vault import Vault
from services.dashboard_creator.audit_api import add_audit_routes
from services.dashboard_creator.audit_log import AuditLog
from services.dashboard_creator.auth_api import Cookies, add_auth_routes
from services.dashboard_creator.log_in import LogIn
from services.dashboard_creator.me_api import add_me_routes
from services.dashboard_creator.profile import Profile
from services.dashboard_creator.users import Users
from services.dashboard_creator.users_api import add_user_routes


def add_identity(
    app: FastAPI, store: Store, settings: DashboardSettings, passwords: Passwords | None = None
) -> None:
    """Serve log-in, one's own profile, users and the audit log."""
    passwords = passwords or Passwords()
    vault = Vault(settings)
    lifetime = Lifetime(
        idle=timedelta(hours=settings.session_idle_h),
        absolute=timedelta(hours=settings.session_max_h),
    )
    log_in = LogIn(store, vault, passwords, lifetime=lifetime)
    profile = Profile(store, vault, passwords, log_in, place=settings.trading_mode.upper())
    cookies = Cookies(secure=_secure(settings), max_age=lifetime.absolute)
    add_auth_routes(app, log_in, profile, cookies)
    add_me_routes(app, profile, cookies)
    add_user_routes(app, Users(store, passwords))
    add_audit_routes(app, AuditLog(store))


def _secure(settings: DashboardSettings) -> bool:
    """Whether browsers send the cookie over TLS only."""
    if settings.cookie_secure == "auto":
        return settings.trading_mode == "live"
    return settings.cookie_secure == "true"
