"""A queueing model of the road of a signal, for numbers of accounts that cannot be had here.

`parameters` says what the road costs, `stations` are its queues, `road` lets signals pass, `desks`
trades them, `calibration` makes parameters of what was measured, `scenarios` names the worlds.
"""
