"""portfolio_builder: what an admin decides on strategies and allocations, and what it would change.

Port 8003. Reads: signal_store, orders. Writes nothing yet. Publishes nothing. What-if decides real
signals of the last days once more, from the contexts that were stored with their decisions, under
other allocations, limits or sizes.
"""
