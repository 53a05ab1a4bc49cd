"""Plumbing every daemon shares: settings, store, bus, sweeper, leases, logs, clock, ops."""
