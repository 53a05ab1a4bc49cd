"""Optimizers of a portfolio of strategies: small pure modules on the interface of `problem`.

`solve.solve` is the way in; `estimates` makes its problem from records.
"""
