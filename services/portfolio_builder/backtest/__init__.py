"""Trying an optimizer on days that it has not seen, and measuring what came of it. Pure.

No I/O, no clock, and random numbers only from a seed that is given, so that the same request on the
same records gives the same result bit for bit.
"""
