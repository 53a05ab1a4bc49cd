"""The mock broker: a simulated broker with durable books of its own, and the adapter to it.

As a process (`python -m brokers.mock`, port 8095) it keeps accounts, orders, executions, positions,
prices and a replayable stream of execution reports in SQLite: a restart changes nothing. Like a
real broker it does not know that two orders with one client_order_id are meant to be one. A price
it is asked for is the one that was set, as of now, or else that of the last fill, as of then.

Fills: MARKET at the price set for the instrument (`PUT /v1/prices/{key}`), else at the price that
the order says it saw; LIMIT when marketable, else it rests until the price comes. Anything else is
rejected, never turned into another order. Margin: 50 % of the notional of stocks and ETFs, all of
it for the rest; an order that would need more than is available is rejected. A resting order holds
no margin of its own, and what fills it later does not look at margin again. A margin preview is the
same rule over all its legs at the last prices. Accounts are in USD; the rate of another currency is
the last price of its FOREX pair, and is not named where the pair has none.
"""
