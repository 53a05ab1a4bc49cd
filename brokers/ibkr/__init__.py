"""Interactive Brokers, through TWS or IB Gateway.

`adapter.py` is the broker's interface; `session.py` keeps the one connection of the account alive
in a thread of its own; `book.py` and `tracks.py` are our own record of every order, made of the
gateway's raw events. The client library writes and reads the wire and nothing more: what it
believes of orders is not used.
"""
