"""execution: the one hand on each broker account; places, tracks, books and reconciles orders.

Reads: trading_accounts (also how each is reached, and its sealed secrets), strategies, controls,
risk_limits, risk_locks, orders, kill_runs, capital_flows. Writes: orders, execution_confirmations,
positions, cash_flows, reservations, signal_store (stages and outcome), risk_locks (repeated
execution, positions that differ), reconciliations, foreign_orders, square_offs, kill_runs (what was
done and proven), leases, checkpoints, incidents. Subscribes: trading-orders (also a broker's word
that it has news). Publishes: execution-confirmations, key = account_id. Ops port 9103. A second
replica is a hot standby: each account has one owner, by lease with fencing token. An account that
cannot be opened as it is set up keeps no other one closed.
"""
