"""Brokers that the conformance suite runs over: each can be started, killed and made to fail."""
