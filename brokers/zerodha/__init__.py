"""Zerodha through Kite Connect: its own client unmodified, and our own reading of what it answers.

The order book of the day is the truth: it is asked for, and compared with what was told last.
Order updates by websocket are a doorbell, no more, so that none of them can be missed or counted
twice. Kite's words (tag, order_id, product, variety) end in this package.
"""
