"""Cerebro on the real store, with a strategy and an account."""

import pytest

from tests.support.builders import make_limits
from tests.support.cerebro import make_cerebro
from tests.support.rows import add_account, add_strategy, allow_trading


@pytest.fixture
def cerebro(store, publisher):
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    return make_cerebro(store, publisher, limits=make_limits(), reversal=30)
