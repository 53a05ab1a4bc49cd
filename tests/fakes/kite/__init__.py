"""A fake Kite: Zerodha's REST interface and order updates on one port, on the mock's engine.

It speaks as Kite does and forgives nothing: a header, field or route that Kite does not know is a
violation (`GET /v1/violations` on the control port) beside the answer that Kite gives. Books and
session outlive a kill; faults, veils and limits do not.

What no client could ask is on the control port: the mock broker's commands
(`brokers.mock.commands`) and those of this fake alone (`control.py`).
"""
