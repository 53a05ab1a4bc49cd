"""telegram: tells people what happens, and takes the commands of those who may give them.

Ops port 9105. Reads: what it tells of (incidents, execution_confirmations, signal_store, orders,
approvals, kill_runs, audit_log, daily_reports; change stream, catch-up scans behind it), /health of
the other services, users, notification settings and channels. Writes: notifications and their
outbox, notification_channels, checkpoints, service_states, telegram_questions, incidents; and what
commands do: controls, kill_runs, answers to approvals, audit_log. One replica works, under a lease.

Nothing that trades waits for it. Without a bot token it runs all the same: the history in the user
interface and other channels need none.
"""
