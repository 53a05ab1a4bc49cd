"""account_data: asks every active account's broker for equity and margin, and says how old it is.

Port 8082. Reads: trading_accounts (also how each is reached, and its sealed secrets), market_prices
and margin_previews (which answers Cerebro waits for), Pub/Sub execution-confirmations (an account
that has just traded is asked at once). Writes: trading_accounts (amounts, fx_rates, marks, as_of,
recorded_at, poll_error), funds (one for each account type), market_prices (price, as_of,
answered_at, error), margin_previews (initial_margin, maintenance_margin, as_of, answered_at,
error), incidents (ACCOUNT_UNREACHABLE). Publishes nothing.
A broker that does not answer changes no amount and no as_of: old figures stay and show their age,
so that whoever uses them can refuse; a failure is never a zero and never looks fresh.
"""
