"""signal_gateway: receives signals over HTTP, stores each one durably, then answers.

Port 8001. Reads: strategies (keys). Writes: trading_signals_raw, audit_log.
Publishes nothing: ingestion watches `trading_signals_raw`.
202 = stored; 200 = a repeat, same signal_id; 4xx = will never be accepted, with a code and a
sentence; 503 = not stored, send it again.
"""
