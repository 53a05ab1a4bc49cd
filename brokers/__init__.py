"""Broker adapters: one interface (`broker.py`), one folder per broker, one factory."""
