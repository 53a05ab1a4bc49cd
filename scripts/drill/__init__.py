"""The fault drill: the whole system in a scratch home, hurt from a seed, compared with its broker.

Run by `scripts/chaos.py`; docs/reliability.md says what it proves.
"""
