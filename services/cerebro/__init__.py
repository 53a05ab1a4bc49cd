"""cerebro: decides each standardised signal, once: sizes it, checks it, reserves, emits orders.

Reads: signal_store, strategies, current_allocation, controls, trading_accounts, positions,
reservations, orders, sequences, market_prices, approvals. Writes in one transaction: the decision
into signal_store, orders, reservations, and what the sender's own numbers come to into sequences;
instead of it into approvals what a person is asked first; before it, into market_prices which
prices it waits for. Lets the clock answer approvals, and ends overrides in controls, in time.
Subscribes: standardized-signals. Publishes: trading-orders, key = account_id. Ops port 9102. Any
number of replicas: decisions on one account exclude each other in the store.
"""
