"""execution: the one hand on each broker account; places, tracks and books orders.

Reads: trading_accounts, controls, orders. Writes: orders, execution_confirmations, positions,
reservations, signal_store (stages and outcome), leases, checkpoints, incidents. Subscribes:
trading-orders. Publishes: execution-confirmations, key = account_id. Ops port 9103.
A second replica is a hot standby: each account has one owner, by lease with fencing token.
"""
