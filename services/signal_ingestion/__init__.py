"""signal_ingestion: turns each raw signal into one standardised signal, once.

Reads: trading_signals_raw (change stream with a stored resume token, catch-up scans behind it),
strategies. Writes: signal_store, checkpoints, incidents. Publishes: standardized-signals, key =
strategy_id. Ops port 9101. One replica works, under a lease; others stand by.
"""
