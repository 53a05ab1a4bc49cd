"""Topics and subscriptions of the bus, and the collections of the store, named once."""

from __future__ import annotations

from typing import Final, NamedTuple

STANDARDIZED_SIGNALS: Final = "standardized-signals"
TRADING_ORDERS: Final = "trading-orders"
EXECUTION_CONFIRMATIONS: Final = "execution-confirmations"


class Subscription(NamedTuple):
    """One consumer of a topic."""

    name: str
    topic: str

    @property
    def dead_letter_topic(self) -> str:
        """Where messages go that this consumer could not handle."""
        return f"{self.name}-dead"


CEREBRO_SIGNALS: Final = Subscription("cerebro-standardized-signals", STANDARDIZED_SIGNALS)
EXECUTION_ORDERS: Final = Subscription("execution-trading-orders", TRADING_ORDERS)
CEREBRO_CONFIRMATIONS: Final = Subscription(
    "cerebro-execution-confirmations", EXECUTION_CONFIRMATIONS
)
ACCOUNT_DATA_CONFIRMATIONS: Final = Subscription(
    "account-data-execution-confirmations", EXECUTION_CONFIRMATIONS
)

TOPICS: Final = (STANDARDIZED_SIGNALS, TRADING_ORDERS, EXECUTION_CONFIRMATIONS)
SUBSCRIPTIONS: Final = (
    CEREBRO_SIGNALS,
    EXECUTION_ORDERS,
    CEREBRO_CONFIRMATIONS,
    ACCOUNT_DATA_CONFIRMATIONS,
)

#: Which service rings on which topics, and which takes from which subscription: nobody else may.
PUBLISHERS: Final = {
    "signal_gateway": (TRADING_ORDERS,),
    "signal_ingestion": (STANDARDIZED_SIGNALS,),
    "cerebro": (TRADING_ORDERS,),
    "execution": (EXECUTION_CONFIRMATIONS,),
}
SUBSCRIBERS: Final = {
    "cerebro": (CEREBRO_SIGNALS, CEREBRO_CONFIRMATIONS),
    "execution": (EXECUTION_ORDERS,),
    "account_data": (ACCOUNT_DATA_CONFIRMATIONS,),
}

#: Deliveries of one message before the bus itself gives up on it (Google allows 5 to 100). Ours is
#: the lower count in `bus.py`, kept in `dead_letters`, because the bus's own is best effort.
MAX_DELIVERY_ATTEMPTS: Final = 20
RETRY_MINIMUM_SECONDS: Final = 0.25
RETRY_MAXIMUM_SECONDS: Final = 30.0
ACK_DEADLINE_SECONDS: Final = 30
