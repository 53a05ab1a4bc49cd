"""portfolio_builder: what an admin decides on strategies and allocations, and what it would change.

Port 8003. Reads: signal_store, orders, strategies, strategy_returns, trading_accounts; positions,
execution_confirmations, daily_marks, equity_history and fund_history (for our own record). Writes:
strategies, risk_limits (of strategies), record_reviews, record_versions, strategy_returns (our own
record), live_reports; current_allocation, allocation_history, allocation_proposals,
allocation_caps; portfolio_tests and portfolio_test_files (studies, their inputs and what they
found), reoptimization; audit_log, incidents (REOPTIMIZATION_REFUSED), leases. Publishes nothing:
Cerebro reads the allocation itself.
Studies run in worker processes (`python -m services.portfolio_builder.jobs`), which this one starts
and watches; it imports no numerical library. What-if decides real signals of the last days once
more, from the contexts that were stored with their decisions, under other allocations, limits or
sizes.
"""
