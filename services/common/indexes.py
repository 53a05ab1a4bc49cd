"""Every collection of an instance, with its indexes.

What is changed here is changed in databases that are there by `migrations.py`, at the next start.
"""

from __future__ import annotations

from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

#: Equity by the minute is kept for two weeks, by the day for ever.
POINTS_SECONDS: Final = 14 * 86400
#: Prices by the minute, of what was traded, are kept for a month.
PRICE_SECONDS: Final = 30 * 86400
#: What people were told is kept for a quarter of a year.
NOTIFICATION_SECONDS: Final = 90 * 86400

#: Every index the hot path and the pages use; created at start, and start fails without them.
#: Partial indexes keep the cost of looking for unfinished work flat, however much is stored.
INDEXES: Final[dict[str, list[tuple[list[tuple[str, int]], dict[str, Any]]]]] = {
    "layout": [],
    "trading_signals_raw": [
        (
            [("strategy_name", ASCENDING), ("idempotency_key", ASCENDING)],
            {"unique": True, "partialFilterExpression": {"idempotency_key": {"$type": "string"}}},
        ),
        ([("signal_ids", ASCENDING)], {}),
    ],
    "signal_store": [
        ([("strategy_id", ASCENDING), ("received_at", DESCENDING)], {}),
        ([("received_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("received_at", DESCENDING)], {}),
        (
            [("undecided", ASCENDING), ("received_at", ASCENDING)],
            {"partialFilterExpression": {"undecided": True}},
        ),
    ],
    "orders": [
        ([("signal_id", ASCENDING)], {}),
        (
            [("working", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"working": True}},
        ),
        (
            [("sent", ASCENDING), ("account_id", ASCENDING), ("instrument_key", ASCENDING)],
            {"partialFilterExpression": {"sent": True}},
        ),
        ([("created_at", DESCENDING)], {}),
        ([("strategy_id", ASCENDING), ("created_at", DESCENDING)], {}),
        (
            [("tended", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"tended": True}},
        ),
        # Orders without a known outcome are few, and every decision looks for them. A field of its
        # own, because an index on `status` would be looked at with every step of every order.
        ([("unknown", ASCENDING)], {"partialFilterExpression": {"unknown": True}}),
    ],
    "execution_confirmations": [
        ([("signal_id", ASCENDING)], {}),
        ([("occurred_at", DESCENDING)], {}),
        ([("strategy_id", ASCENDING), ("occurred_at", DESCENDING)], {}),
        ([("account_id", ASCENDING), ("execution_id", ASCENDING)], {}),
        ([("account_id", ASCENDING), ("occurred_at", DESCENDING)], {}),
        # The fills of a position in their order.
        (
            [
                ("account_id", ASCENDING),
                ("instrument_key", ASCENDING),
                ("strategy_id", ASCENDING),
                ("occurred_at", DESCENDING),
            ],
            {},
        ),
    ],
    "cash_flows": [([("account_id", ASCENDING)], {})],
    "reconciliations": [],
    "foreign_orders": [([("account_id", ASCENDING), ("status", ASCENDING)], {})],
    "positions": [
        (
            [("open", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        )
    ],
    "reservations": [([("account_id", ASCENDING)], {})],
    "sequences": [],
    "controls": [],
    "kill_runs": [
        ([("open", ASCENDING)], {"partialFilterExpression": {"open": True}}),
        ([("requested_at", DESCENDING)], {}),
    ],
    "risk_limits": [],
    "risk_locks": [],
    "risk_resets": [],
    "contention_ledger": [([("decided_at", DESCENDING)], {})],
    "futures_margins": [],
    "square_offs": [],
    "market_prices": [([("wanted_at", DESCENDING)], {})],
    "margin_previews": [([("wanted_at", DESCENDING)], {})],
    "funds": [],
    "account_positions": [],
    "daily_marks": [([("account_id", ASCENDING), ("date", ASCENDING)], {})],
    "equity_history": [([("account_id", ASCENDING), ("date", ASCENDING)], {})],
    "fund_history": [([("account_type", ASCENDING), ("date", ASCENDING)], {})],
    "equity_points": [
        ([("account_id", ASCENDING), ("at", ASCENDING)], {}),
        ([("at", ASCENDING)], {"expireAfterSeconds": POINTS_SECONDS}),
    ],
    "fund_points": [
        ([("account_type", ASCENDING), ("at", ASCENDING)], {}),
        ([("at", ASCENDING)], {"expireAfterSeconds": POINTS_SECONDS}),
    ],
    "price_points": [
        (
            [("account_id", ASCENDING), ("instrument_key", ASCENDING), ("at", ASCENDING)],
            {},
        ),
        ([("at", ASCENDING)], {"expireAfterSeconds": PRICE_SECONDS}),
    ],
    "capital_flows": [
        ([("account_id", ASCENDING), ("effective_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("account_id", ASCENDING)], {}),
    ],
    "current_allocation": [],
    "allocation_history": [],
    "allocation_caps": [],
    "allocation_proposals": [
        ([("status", ASCENDING), ("proposed_at", DESCENDING)], {}),
        ([("proposed_at", DESCENDING)], {}),
    ],
    "strategy_returns": [
        (
            [("strategy_id", ASCENDING), ("source", ASCENDING), ("date", DESCENDING)],
            {"unique": True},
        )
    ],
    "portfolio_tests": [
        ([("requested_at", DESCENDING)], {}),
        (
            [("open", ASCENDING), ("requested_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("propose", ASCENDING)], {"partialFilterExpression": {"propose": True}}),
    ],
    "portfolio_test_files": [
        ([("key", ASCENDING), ("number", ASCENDING)], {}),
        ([("part_of", ASCENDING)], {}),
    ],
    "reoptimization": [],
    # A claim of a developer is one document; its days are compressed in it.
    "record_versions": [
        (
            [("strategy_id", ASCENDING), ("source", ASCENDING), ("number", DESCENDING)],
            {"unique": True},
        ),
        (
            [("current", ASCENDING), ("strategy_id", ASCENDING)],
            {"partialFilterExpression": {"current": True}},
        ),
    ],
    "live_reports": [],
    # Summaries: a row follows from the documents of its day (services/dashboard_creator/summaries).
    "strategy_days": [
        ([("strategy_id", ASCENDING), ("date", ASCENDING)], {"unique": True}),
        ([("date", ASCENDING)], {}),
    ],
    "strategy_months": [([("strategy_id", ASCENDING), ("month", ASCENDING)], {"unique": True})],
    "strategy_totals": [],
    # Minutes end after days, hours stay (services/dashboard_creator/latency_keeper).
    "latency_buckets": [
        ([("size", ASCENDING), ("number", ASCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 0}),
    ],
    "dashboards": [],
    "daily_reports": [],
    "record_reviews": [
        ([("strategy_id", ASCENDING), ("uploaded_at", DESCENDING)], {}),
        ([("uploaded_at", ASCENDING)], {"expireAfterSeconds": 30 * 86400}),
    ],
    "strategies": [
        ([("credentials.key_hash", ASCENDING)], {}),
        ([("credentials.credential_id", ASCENDING)], {}),
    ],
    "users": [([("credentials.key_hash", ASCENDING)], {})],
    "sessions": [
        ([("user", ASCENDING), ("created_at", DESCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 0}),
    ],
    "login_failures": [
        ([("name", ASCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 0}),
    ],
    "rate_windows": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    "idempotency_keys": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    # Requests for a person's approval: those that are not decided yet, and all by time.
    "approvals": [
        (
            [("open", ASCENDING), ("asked_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("asked_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("asked_at", DESCENDING)], {}),
    ],
    "incidents": [
        ([("status", ASCENDING), ("kind", ASCENDING)], {}),
        ([("status", ASCENDING), ("last_seen_at", DESCENDING)], {}),
        ([("last_seen_at", DESCENDING)], {}),
        ([("cleared_at", DESCENDING)], {}),
    ],
    "notifications": [
        ([("user", ASCENDING), ("number", DESCENDING)], {}),
        (
            [("unread", ASCENDING), ("user", ASCENDING), ("number", DESCENDING)],
            {"partialFilterExpression": {"unread": True}},
        ),
        ([("created_at", ASCENDING)], {"expireAfterSeconds": NOTIFICATION_SECONDS}),
    ],
    "notification_outbox": [
        (
            [("open", ASCENDING), ("channel_id", ASCENDING), ("next_try_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("created_at", ASCENDING)], {"expireAfterSeconds": NOTIFICATION_SECONDS}),
    ],
    "notification_settings": [],
    "notification_counters": [],
    "notification_channels": [([("user", ASCENDING)], {}), ([("chat_id", ASCENDING)], {})],
    "notification_links": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    "telegram_questions": [
        ([("chat_id", ASCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 3600}),
    ],
    "service_states": [],
    "dead_letters": [
        ([("status", ASCENDING), ("last_failed_at", DESCENDING)], {}),
        ([("last_failed_at", DESCENDING)], {}),
    ],
    "audit_log": [
        ([("recorded_at", DESCENDING)], {}),
        ([("by", ASCENDING), ("recorded_at", DESCENDING)], {}),
        ([("what", ASCENDING), ("recorded_at", DESCENDING)], {}),
        # What was done with one signal, or one order, for its evidence.
        ([("facts.signal_id", ASCENDING)], {}),
        ([("facts.client_order_id", ASCENDING)], {}),
    ],
}
