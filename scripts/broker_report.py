"""What a broker says of an account, and what is missing before it can trade; asks, never places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from brokers.broker import AccountState, Broker, BrokerPosition, Capabilities, OpenOrder, Quote
from brokers.errors import BrokerError, LoginRequired
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from services.domain.instruments import Instrument
from services.domain.signals import plain
from services.domain.values import Frozen, Instant
from services.domain.words import AccountType, InstrumentType

T = TypeVar("T")
#: More than this and times of orders and fills cannot be compared with ours.
_MOST_SKEW_SECONDS: Final = 2.0
#: Something that everybody who may see prices in a currency can see the price of.
_COMMON: Final = {"USD": "AAPL", "INR": "INFY"}


class Missing(Frozen):
    """Something that stands in the way, and what mends it."""

    what: str
    mend: str


class BrokerReport(Frozen):
    """What was asked and answered; None or empty where it could not be.

    Attributes:
        place: where it is, in words.
        secrets: where each is; never the secret.
        clock_skew_seconds: how far the broker's clock is ahead of ours.
        remembers_since: since when it can be asked about ended orders; None = for ever, or unknown.
        quote: the price of something, to see that there is market data.
        incidents: what is open of the account, in sentences.
        notes: what an operator should know; nothing to mend.
        missing: what must be mended; empty = it can trade.
    """

    account_id: str
    broker: str
    account_type: str
    place: str
    secrets: dict[str, str]
    connected: bool = False
    state: AccountState | None = None
    positions: tuple[BrokerPosition, ...] = ()
    open_orders: tuple[OpenOrder, ...] = ()
    capabilities: Capabilities | None = None
    clock_skew_seconds: float | None = None
    remembers_since: Instant | None = None
    quote: Quote | None = None
    incidents: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


class Examination:
    """Asks one broker about one account.

    Args:
        account: which.
        secrets: where its secrets are.
        symbol: what to ask the price of; empty = what is held, or something common.
    """

    def __init__(
        self, account: BrokerAccount, secrets: Mapping[str, str], *, symbol: str = ""
    ) -> None:
        self._account = account
        self._symbol = symbol
        self._missing: list[Missing] = []
        self._found: dict[str, Any] = {
            "account_id": account.account_id,
            "broker": account.broker,
            "account_type": account.account_type,
            "place": place_of(account),
            "secrets": dict(secrets),
        }
        for name, where in secrets.items():
            if where == "missing":
                self._lack(f"{name} is missing", _secret_mend(account, name))

    def run(self, open_broker: Callable[[], Broker]) -> BrokerReport:
        """Connect, ask everything, close; what fails is missing, and the rest is still asked."""
        try:
            broker = open_broker()
        except ConfigurationError as error:
            self._lack(str(error), f"scripts/accounts.py set {self._account.account_id} …")
            return self._report()
        try:
            if not isinstance(self._asked(broker.connect, "the link"), _Failed):
                self._found["connected"] = True
                self._ask(broker)
        finally:
            broker.close()
        return self._report()

    def _ask(self, broker: Broker) -> None:
        self._found["capabilities"] = broker.capabilities
        self._found["remembers_since"] = broker.remembers_since()
        state = self._keep("state", broker.account_state, "the account's figures")
        positions = self._keep("positions", broker.positions, "positions") or ()
        self._keep("open_orders", broker.open_orders, "open orders")
        skew = self._asked(broker.clock_skew, "the broker's clock")
        if not isinstance(skew, _Failed) and skew is not None:
            self._found["clock_skew_seconds"] = round(skew.total_seconds(), 3)
            if abs(skew.total_seconds()) > _MOST_SKEW_SECONDS:
                self._lack(
                    f"this machine's clock is {-skew.total_seconds():+.1f} s off the broker's",
                    "set it by NTP: timedatectl set-ntp true",
                )
        instrument = self._instrument(state, positions)
        if instrument is not None:
            self._ask_price(broker, instrument)

    def _ask_price(self, broker: Broker, instrument: Instrument) -> None:
        quote = self._asked(
            lambda: broker.last_price(instrument), f"a price of {instrument.symbol}"
        )
        if isinstance(quote, _Failed):
            return
        if quote is None:
            self._lack(
                f"the broker knows no price of {instrument.symbol}: no market data",
                "subscribe to it at the broker; signals must bring their own price until then",
            )
        self._found["quote"] = quote

    def _instrument(
        self, state: AccountState | None, positions: Sequence[BrokerPosition]
    ) -> Instrument | None:
        currency = state.currency if state else "USD"
        if not self._symbol and positions:
            return positions[0].instrument
        symbol = self._symbol or ("" if self._account.broker == "MOCK" else _COMMON.get(currency))
        if not symbol:
            return None
        kind = InstrumentType.STOCK
        return Instrument(instrument_type=kind, symbol=symbol.upper(), currency=currency)

    def _keep(self, field: str, question: Callable[[], T], what: str) -> T | None:
        answer = self._asked(question, what)
        if isinstance(answer, _Failed):
            return None
        self._found[field] = answer
        return answer

    def _asked(self, question: Callable[[], T], what: str) -> T | _Failed:
        try:
            return question()
        except LoginRequired as error:
            self._lack(f"a person must log in: {error}", _login_mend(self._account))
        except (BrokerError, ConfigurationError) as error:
            self._lack(f"{what} could not be had: {error}", _reach_mend(self._account))
        return _Failed()

    def _lack(self, what: str, mend: str) -> None:
        self._missing.append(Missing(what=what, mend=mend))

    def _report(self) -> BrokerReport:
        return BrokerReport(**self._found, missing=tuple(self._missing))


class _Failed:
    """In the place of an answer; None is one."""


def place_of(account: BrokerAccount) -> str:
    """Where an account is, in words, whether that can be used or not."""
    fields = account.connection if isinstance(account.connection, Mapping) else {}
    if account.broker == "IBKR":
        at = f"{fields.get('host', '127.0.0.1')}:{fields.get('port')}"
        return f"{fields.get('broker_account')} at {at}, client id {fields.get('client_id')}"
    if account.broker == "ZERODHA":
        return f"user {fields.get('user_id') or 'unnamed'}, app {fields.get('api_key')}"
    return "the mock broker of this instance"


def _secret_mend(account: BrokerAccount, name: str) -> str:
    if name == "access_token":
        return _login_mend(account)
    return f"scripts/accounts.py secret {account.account_id} {name}"


def _login_mend(account: BrokerAccount) -> str:
    if account.broker == "ZERODHA":
        return f"scripts/zerodha_login.py {account.account_id}"
    return "log in at TWS or IB Gateway"


def _reach_mend(account: BrokerAccount) -> str:
    if account.broker == "IBKR":
        mode = "live" if account.account_type == AccountType.LIVE else "paper"
        return f"start TWS or IB Gateway: scripts/ib_gateway.py start --mode {mode}"
    if account.broker == "MOCK":
        return "scripts/start.py"
    return "look at status.zerodha.com, and at this machine's way to the internet"


def in_words(report: BrokerReport) -> list[str]:
    """The report as lines for a person."""
    lines = [
        f"account      {report.account_id}: {report.account_type} at {report.broker}",
        f"place        {report.place}",
        *(f"secret       {name}: {where}" for name, where in report.secrets.items()),
        f"link         {'connected' if report.connected else 'NOT CONNECTED'}",
    ]
    if state := report.state:
        amounts = ("equity", "cash", "initial_margin", "maintenance_margin", "available_funds")
        told = ", ".join(f"{_word(name)} {_money(getattr(state, name))}" for name in amounts)
        lines.append(
            f"figures      {state.currency}: {told}, buying power {_money(state.buying_power)}"
        )
    if report.connected:
        lines += [f"position     {_position(each)}" for each in report.positions] or [
            "position     none"
        ]
        lines += [f"open order   {_order(each)}" for each in report.open_orders] or [
            "open order   none"
        ]
    if can := report.capabilities:
        lines += _abilities(can)
    if report.clock_skew_seconds is not None:
        lines.append(
            f"clock        the broker's is {report.clock_skew_seconds:+.3f} s ahead of ours"
        )
    if report.connected:
        since = report.remembers_since
        kept = f"since {since:%Y-%m-%d %H:%M} UTC" if since else "for ever"
        lines.append(f"memory       ended orders are known {kept}")
    if quote := report.quote:
        lines.append(
            f"market data  {quote.instrument.symbol} {plain(quote.price)} "
            f"{quote.instrument.currency}, of {quote.as_of:%Y-%m-%d %H:%M:%S} UTC"
        )
    lines += [f"incident     {sentence}" for sentence in report.incidents]
    lines += [f"note         {sentence}" for sentence in report.notes]
    lines += [f"MISSING      {each.what}\n             → {each.mend}" for each in report.missing]
    return lines if report.missing else [*lines, "Nothing is missing."]


def _abilities(can: Capabilities) -> list[str]:
    native = ("brackets", "oco", "combos", "modify", "margin_preview")
    words = [_word(name) for name in native if getattr(can, name)]
    limits = {
        "messages": can.messages_per_second,
        "orders": can.orders_per_second,
    }
    paces = [f"{rate:g} {what}/s" for what, rate in limits.items() if rate is not None]
    return [
        f"trades       {', '.join(sorted(can.instrument_types))}",
        f"takes        {', '.join(sorted(can.order_types))}; "
        f"{', '.join(sorted(can.times_in_force))}",
        f"by itself    {', '.join(words) or 'nothing more'}; the rest is worked by execution",
        f"pace         {', '.join(paces) or 'no limit'}",
    ]


def _position(position: BrokerPosition) -> str:
    at = f"{plain(position.quantity)} {position.instrument.key} at {plain(position.average_price)}"
    price = position.market_price
    return at if price is None else f"{at}, now {plain(price)}"


def _order(order: OpenOrder) -> str:
    terms = order.report.terms
    quantity = f"{plain(terms.quantity)} " if terms else ""
    name = order.report.client_order_id or f"not ours, {order.report.broker_order_id}"
    what = f"{order.side} {quantity}{order.instrument.key} {order.order_type}"
    return f"{what} {order.report.status} ({name})"


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _word(name: str) -> str:
    return name.replace("_", " ")
