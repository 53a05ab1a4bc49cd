"""The decision on one signal, pure: values in, a decision out, the same every time.

Cerebro decides with it, the portfolio builder asks it "what if", and a stored decision is replayed
with it. Knows no store, no clock and no setting: everything it may look at is in the context.
"""
