"""The mock broker: a simulated broker with durable books of its own, and the adapter to it.

As a process (`python -m brokers.mock`, port 8095) it keeps accounts, orders, executions, positions,
prices and a replayable stream of execution reports in SQLite: a restart changes nothing. Like a
real broker it does not know that two orders with one client_order_id are meant to be one. A price
it is asked for is the one that was set, as of now, or else that of the last fill, as of then.

Orders: MARKET, LIMIT, STOP, STOP_LIMIT and TRAILING_STOP, DAY, GTC, IOC and FOK, changes of them,
brackets, OCO groups and combos; what it can do is told when it is connected to, and can be taken
away from an account. An order fills at the price set for the instrument (`PUT /v1/prices/{key}`),
else at the price that the order says it saw; whole, unless the market has been given a spread, a
depth or slippage (`market.py`). What is not filled rests, but for IOC and FOK. A guard of a bracket
may fill no more than its entry has; what fills of an OCO group is taken off the others of it, of
those too that come later.

Margin: 50 % of the notional of stocks and ETFs, 10 % of futures, 5 % of currencies, all of it for
the rest. An order that would need more than is available is rejected. One that rests holds no
margin of its own, and is canceled with the reason where a later fill of it cannot be paid. A margin
preview is the same rule over all its legs at the last prices. Accounts are in USD; the rate of
another currency is the last price of its FOREX pair, and is not named where the pair has none.

Faults (`faults.py`) are in memory and change what is told or what happens, never one of two books.
docs/mock-broker.md is the page of everything that can be asked of it.
"""
