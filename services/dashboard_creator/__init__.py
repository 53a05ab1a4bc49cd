"""dashboard_creator: what people look at and do: fund, accounts, strategies, signals, orders, risk.

Port 8004. Reads: signal_store, orders, execution_confirmations, positions, reservations,
strategies, trading_accounts, current_allocation, controls, incidents, dead_letters.
Log-in, users and the audit log are here too: it writes users, sessions, login_failures, audit_log.
What people ask for (docs/acts.md) is written where it is carried out: orders, kill_runs, controls,
risk_limits, approvals, dead_letters, incidents. Publishes nothing. Decimals leave as strings, times
as ISO 8601 in UTC; a figure nobody knows is null, never zero, and amounts of different currencies
are never added up.
"""
