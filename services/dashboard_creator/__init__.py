"""dashboard_creator: what people look at and do: fund, accounts, strategies, signals, orders, risk.

Port 8004. Reads: signal_store, orders, execution_confirmations, positions, reservations,
strategies, trading_accounts, current_allocation, controls, incidents, dead_letters.
Log-in, users and the audit log are here too: it writes users, sessions, login_failures, audit_log;
what people ask for (docs/acts.md) goes to where it is carried out: orders, kill_runs, controls,
risk_limits, approvals, dead_letters, incidents. Of results it writes strategy_days,
strategy_months and strategy_totals (what each strategy did, made anew as changes come), dashboards,
daily_reports, latency_buckets and checkpoints; changes of the store are told to browsers as they
happen (`stream`). Publishes nothing. Decimals leave as strings, times as ISO 8601 in UTC; a figure
nobody knows is null, never zero, and amounts of different currencies are never added up.
"""
