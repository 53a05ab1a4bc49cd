"""Optimizers of a portfolio of strategies: small pure modules on the interface of `problem`."""
