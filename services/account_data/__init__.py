"""account_data: asks every active account's broker for its figures, and says how old they are.

Port 8082. Reads: trading_accounts (also how each is reached, and its sealed secrets), market_prices
and margin_previews (which answers Cerebro waits for), cash_flows and execution_confirmations (what
explains a change of cash and equity), positions, orders and reconciliations (our books, compared
with the broker's), foreign_orders (shown), audit_log (resets of marks), users, Pub/Sub
execution-confirmations (an account that has just traded is asked at once).
Writes: trading_accounts (figures, marks, as_of, poll_error, jump; set up over HTTP),
account_positions, daily_marks, equity_history and equity_points, funds, fund_history and
fund_points, price_points, capital_flows, risk_locks (EQUITY_JUMP), market_prices (price, as_of,
answered_at, error), margin_previews (the same of margins), incidents (ACCOUNT_UNREACHABLE,
EQUITY_JUMP, BOOKS_DISPUTED), controls (where an alarm is not answered), audit_log. Publishes
nothing. A broker that does not answer changes no amount and no as_of: old figures stay and show
their age, so that whoever uses them can refuse; a failure is never a zero and never looks fresh.
What a person has paid in or out is no gain and no loss.
"""
