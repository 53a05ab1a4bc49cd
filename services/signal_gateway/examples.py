"""Signals as developers send them, for OpenAPI and for the tests that post every one of them."""

from __future__ import annotations

from typing import Any, Final

_AAPL: Final = {
    "instrument": "AAPL",
    "instrument_type": "STOCK",
    "action": "BUY",
    "direction": "LONG",
    "quantity": 10,
    "order_type": "MARKET",
    "price": 150.0,
}
_ENVELOPE: Final = {
    "strategy_name": "SPX_1-D_Opt",
    "signalID": "my-unique-id-1",
    "signal_type": "ENTRY",
    "account_equity": 500000,
}


def _example(summary: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any body
    return {"summary": summary, "value": value}


SIGNAL_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "entry": _example("Buy at market", _ENVELOPE | {"signal_legs": [_AAPL]}),
    "exit": _example(
        "Close what that entry bought",
        _ENVELOPE
        | {
            "signalID": "my-unique-id-2",
            "signal_type": "EXIT",
            "entry_signal_id": "my-unique-id-1",
            "signal_legs": [_AAPL | {"action": "SELL", "direction": "SHORT", "price": 152.0}],
        },
    ),
    "limit": _example(
        "Buy at a limit, with protection, for five minutes",
        _ENVELOPE
        | {
            "signalID": "my-unique-id-3",
            "valid_for_s": 300,
            "signal_legs": [
                _AAPL
                | {
                    "order_type": "LIMIT",
                    "limit_price": 149.5,
                    "time_in_force": "GTC",
                    "stop_loss": 145,
                    "take_profit": 160,
                }
            ],
        },
    ),
    "worked": _example(
        "Buy in ten parts over ten minutes, or not",
        _ENVELOPE
        | {
            "signalID": "my-unique-id-5",
            "signal_legs": [
                _AAPL
                | {
                    "algo": {"name": "TWAP", "duration_s": 600, "slices": 10},
                    "cancel_after_s": 900,
                }
            ],
        },
    ),
    "trailing": _example(
        "Sell once the price is 2 % below its best",
        _ENVELOPE
        | {
            "signalID": "my-unique-id-6",
            "signal_type": "EXIT",
            "signal_legs": [
                _AAPL
                | {
                    "action": "SELL",
                    "order_type": "TRAILING_STOP",
                    "trail_percent": 2,
                    "time_in_force": "GTC",
                }
            ],
        },
    ),
    "spread": _example(
        "An option package",
        _ENVELOPE
        | {
            "signalID": "my-unique-id-4",
            "signal": {
                "instrument_type": "OPTION",
                "underlying": "SPY",
                "price": 1.5,
                "quantity": 1,
                "legs": [
                    {
                        "strike": 575,
                        "expiry": "20270115",
                        "right": "P",
                        "action": "SELL",
                        "quantity": 1,
                    },
                    {
                        "strike": 570,
                        "expiry": "20270115",
                        "right": "P",
                        "action": "BUY",
                        "quantity": 1,
                    },
                ],
            },
        },
    ),
    "batch": _example(
        "Several at once",
        [
            _ENVELOPE | {"signalID": f"my-batch-{symbol}", "signal_legs": [_AAPL | leg]}
            for symbol, leg in (
                ("AAPL", {}),
                ("NVDA", {"instrument": "NVDA", "quantity": 5, "price": 180.0}),
            )
        ],
    ),
}

ALERT_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "strategy": _example(
        "TradingView: alert of a strategy, as its message template",
        '{"ticker": "{{ticker}}", "exchange": "{{exchange}}", "instrument_type": "STOCK", '
        '"action": "{{strategy.order.action}}", "quantity": "{{strategy.order.contracts}}", '
        '"price": "{{strategy.order.price}}", "order_id": "{{strategy.order.id}}", '
        '"market_position": "{{strategy.market_position}}", '
        '"market_position_size": "{{strategy.market_position_size}}", '
        '"prev_market_position": "{{strategy.prev_market_position}}", '
        '"prev_market_position_size": "{{strategy.prev_market_position_size}}", '
        '"bar_time": "{{time}}", "timestamp": "{{timenow}}", "account_equity": 100000}',
    ),
    "indicator": _example(
        "TradingView: alert of an indicator",
        '{"ticker": "{{ticker}}", "instrument_type": "STOCK", "signal_type": "ENTRY", '
        '"action": "BUY", "quantity": 10, "price": "{{close}}", "bar_time": "{{time}}", '
        '"timestamp": "{{timenow}}", "account_equity": 100000}',
    ),
    "lines": _example(
        "Lines of text",
        "ticker: AAPL\ninstrument type: STOCK\nsignal type: ENTRY\naction: BUY\nquantity: 10\n"
        "price: 150.00\naccount equity: 100000\nsignalID: my-alert-1\n",
    ),
}
