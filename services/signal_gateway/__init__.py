"""signal_gateway: receives signals, stores each one durably, then answers.

Port 8001: API, webhook, lint, what operators may do, postbacks of brokers; and one IMAP mailbox,
under a lease. Reads: strategies (credentials, defaults), users, trading_accounts (a broker's secret
that proves its postbacks). Writes: trading_signals_raw, audit_log, rate_windows, checkpoints (the
mailbox's cursor), incidents. Publishes of signals nothing: ingestion watches `trading_signals_raw`;
of a postback a doorbell on `trading-orders`, so that execution asks the broker now.
202 = stored; 200 = a repeat, same signal_id (the webhook answers 200 to both); 4xx = will never be
accepted as it is, with a code and a sentence; 429 = later; 503 = not stored, send it again.
"""
