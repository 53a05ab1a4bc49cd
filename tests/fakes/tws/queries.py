"""Answers to what clients ask: orders, executions, positions, accounts, contracts."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from brokers.broker import BrokerPosition
from services.domain.orders import Execution, OrderReport
from tests.fakes.tws import accounts as account_rows
from tests.fakes.tws import answers, order_answers
from tests.fakes.tws.book import WORKING, Placed, averaged, instant, state_of, terms_of
from tests.fakes.tws.contracts import Listing
from tests.fakes.tws.ids import exec_id_of, number_of, order_of_execution
from tests.fakes.tws.news import combo_execution, part_of
from tests.fakes.tws.order_answers import Told


class Queries:
    """Every answer is of the engine's books as they are when it is given."""

    def __init__(self, venue, gateway):
        self._exchange = venue.exchange
        self._gateway = gateway
        self._book = gateway.book

    def open_orders(self, session, *, everybody: bool) -> None:
        """openOrder and orderStatus of each that works; of this client, or of all."""
        for placed, reports in self._of_engine(open_only=True):
            if everybody or placed.client_id == session.client_id:
                self._tell_open(session, placed, reports)
        for placed in self._book.waiting():
            if placed.hidden_until > time.monotonic():
                continue
            if everybody or placed.client_id == session.client_id:
                self._tell_open(session, placed, [])
        session.say(answers.end(53))

    def _tell_open(self, session, placed: Placed, reports: list[OrderReport]) -> None:
        state = state_of(placed, reports)
        terms = terms_of(placed, reports[0]) if reports else {**placed.fields, **placed.contract}
        session.say(order_answers.open_order(placed.identity, terms, state, session.version))
        session.say(order_answers.order_status(placed.identity, state))

    def _of_engine(self, *, open_only: bool) -> Iterator[tuple[Placed, list[OrderReport]]]:
        """Each order with the reports of its legs."""
        for account in self._gateway.accounts:
            shown = self._book.shown(account, open_only=open_only)
            found: dict[int, tuple[Placed, list[OrderReport]]] = {}
            for number, (order, report) in shown.items():
                placed = self._book.of_number(number, order)
                found.setdefault(id(placed), (placed, []))[1].append(report)
            yield from found.values()

    def completed_orders(self, session, *, api_only: bool) -> None:
        """What has ended today: filled, canceled, rejected."""
        since = self._gateway.remembers_since()
        for placed, reports in self._of_engine(open_only=False):
            by_hand = not (placed.client_id or placed.order_id)
            if reports[0].status in WORKING or (api_only and by_hand):
                continue
            if reports[0].occurred_at >= since:
                self._tell_completed(session, placed, reports)
        for placed in self._book.all():
            if placed.ended_at is not None and instant(placed.ended_at) >= since:
                self._tell_completed(session, placed, [])
        session.say(answers.end(102, version=None))

    def _tell_completed(self, session, placed: Placed, reports: list[OrderReport]) -> None:
        state = state_of(placed, reports)
        at = order_answers.moment(instant(state.completed_at), self._gateway.zone)
        terms = terms_of(placed, reports[0]) if reports else {**placed.fields, **placed.contract}
        told = state._replace(completed_at=at)
        session.say(order_answers.completed_order(placed.perm_id, terms, told, session.version))

    def executions(self, session, wanted: Mapping[str, object]) -> None:
        """Of today, every revision of each; commissions only of the asking client's own."""
        since = self._since(str(wanted["time"]))
        for account in self._gateway.accounts:
            if wanted["account"] not in {"", account}:
                continue
            so_far: dict[str, list[Execution]] = defaultdict(list)
            for body in self._exchange.executions(account):
                fill = Execution.model_validate_json(body)
                of_order = so_far[order_of_execution(fill.execution_id)]
                of_order.append(fill)
                if fill.occurred_at >= since:
                    self._tell_execution(session, wanted, account, of_order)
        session.say(answers.end(55, wanted["reqId"]))

    def _since(self, text: str) -> datetime:
        """From when on: midnight of the gateway's zone, or later where the filter says so."""
        since = self._gateway.remembers_since()
        if not text:
            return since
        day, stamp, *zone = text.replace("-", " ", 1).split(" ")
        told = datetime.strptime(f"{day} {stamp}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone below
        own = zone[0] if zone else self._gateway.zone
        told = told.replace(tzinfo=UTC if "-" in text else ZoneInfo(own))
        return max(since, told)

    def _tell_execution(
        self, session, wanted: Mapping[str, object], account: str, so_far: list[Execution]
    ) -> None:
        fill = so_far[-1]
        number = number_of(order_of_execution(fill.execution_id))
        placed = self._book.of_number(number) or self._book.by_hand(account, number)
        if placed is None or not self._wants(wanted, placed, fill):
            return
        request, zone = wanted["reqId"], (self._gateway.zone, session.version)
        exec_id = exec_id_of(fill.execution_id, fill.revision, part_of(placed, number))
        newest = {each.execution_id: each for each in so_far}
        cumulative, average, _ = averaged(list(newest.values()))
        contract = self._gateway.news.contract_of(placed, fill)
        told = Told(exec_id, contract, account, placed.reference, cumulative, average)
        session.say(order_answers.exec_details(request, placed.identity, fill, told, zone))
        if placed.is_combo and number == placed.numbers[-1] and not fill.revision:
            state = state_of(placed, self._book.reports(placed))
            session.say(combo_execution(request, placed, state, fill, zone))
        if session.client_id in {placed.client_id, self._gateway.master}:
            session.say(answers.commission(exec_id, fill.commission, fill.commission_currency))

    def _wants(self, wanted: Mapping[str, object], placed: Placed, fill: Execution) -> bool:
        contract = self._gateway.news.contract_of(placed, fill)
        for name in ("symbol", "secType", "exchange"):
            if wanted[name] and wanted[name] != contract[name]:
                return False
        if wanted["side"] and str(wanted["side"])[:1].upper() != fill.side.value[:1]:
            return False
        return wanted["clientId"] in {0, placed.client_id}

    def positions(self, session) -> None:
        """Of all accounts of the login; changes of them follow."""
        session.wants_positions = True
        for account in self._gateway.accounts:
            for held in self._exchange.positions(account):
                session.say(answers.position(account, self._listing(held), held))
        session.say(answers.end(62))

    def positions_multi(self, session, fields: Mapping[str, object]) -> None:
        """Of one account."""
        account, request = str(fields["account"]), fields["reqId"]
        if self._known(session, account, request):
            for held in self._exchange.positions(account):
                session.say(answers.position_multi(request, account, self._listing(held), held))
            session.say(answers.end(72, request))

    def position_changed(self, session, account: str, instrument_key: str) -> None:
        """Tell who has asked for positions; one that is closed is told as 0."""
        found = {each.instrument.key: each for each in self._exchange.positions(account)}
        held = found.get(instrument_key) or self._closed(instrument_key)
        session.say(answers.position(account, self._listing(held), held))

    def _closed(self, instrument_key: str) -> BrokerPosition:
        listing = self._gateway.table.of_key(instrument_key)
        if listing is None:
            raise LookupError(f"the fake gateway has no contract of {instrument_key}")
        return BrokerPosition(
            instrument=listing.instrument, quantity=Decimal(0), average_price=Decimal(0)
        )

    def _listing(self, held: BrokerPosition) -> Listing:
        found = self._gateway.table.of_instrument(held.instrument)
        if found is None:
            raise LookupError(f"the fake gateway has no contract of {held.instrument.key}")
        return found

    def account_updates(self, session, fields: Mapping[str, object]) -> None:
        """The account window; changes follow until it is told to stop."""
        account = str(fields["account"]) or self._gateway.accounts[0]
        if not fields["subscribe"]:
            session.account_window = None
        elif self._known(session, account, -1):
            session.account_window, session.portfolio = account, []
            self.account_window(session, account)
            session.say(answers.end(54, account))

    def account_window(self, session, account: str) -> None:
        """All its rows, the portfolio and the time; what was in the portfolio is told as 0 once."""
        state = self._exchange.state(account)
        for tag, value, currency in account_rows.rows(state) + account_rows.ledger(state):
            session.say(answers.account_value(tag, value, currency, account))
        found = {each.instrument.key: each for each in self._exchange.positions(account)}
        closed = [self._closed(key) for key in session.portfolio if key not in found]
        session.portfolio = list(found)
        for held in [*found.values(), *closed]:
            session.say(answers.portfolio(account, self._listing(held), held))
        session.say(
            answers.account_time(answers.utc_now().astimezone(ZoneInfo(self._gateway.zone)))
        )

    def account_multi(self, session, fields: Mapping[str, object]) -> None:
        """Rows of one account by request."""
        account, request = str(fields["account"]) or self._gateway.accounts[0], fields["reqId"]
        if self._known(session, account, request):
            state = self._exchange.state(account)
            found = [] if fields["ledger"] else account_rows.rows(state)
            for row in found + account_rows.ledger(state):
                session.say(answers.account_multi(request, account, row))
            session.say(answers.end(74, request))

    def account_summary(self, session, fields: Mapping[str, object]) -> None:
        """Some rows of one account or of all."""
        group, request = fields["group"], fields["reqId"]
        wanted = [each for each in self._gateway.accounts if group in {"All", each}]
        if not wanted:
            session.say(
                answers.error(321, "Error validating request.-'bM' : cause - Group", request)
            )
            return
        tags = str(fields["tags"]).split(",")
        for account in wanted:
            for row in account_rows.summary(self._exchange.state(account), tags):
                session.say(answers.account_summary(request, account, row))
        session.say(answers.end(64, request))

    def pnl(self, session, fields: Mapping[str, object]) -> None:
        """Profit and loss of an account as of now."""
        account = str(fields["account"])
        if self._known(session, account, fields["reqId"]):
            gains = [
                (each.market_price - each.average_price)
                * each.quantity
                * each.instrument.multiplier
                for each in self._exchange.positions(account)
                if each.market_price is not None
            ]
            session.say(answers.pnl(fields["reqId"], sum(gains, Decimal(0))))

    def _known(self, session, account: str, request: int) -> bool:
        if account in self._gateway.accounts:
            return True
        words = "Error validating request.-'bR' : cause - Invalid account code"
        session.say(answers.error(321, words, request))
        return False

    def contract_details(self, session, fields: Mapping[str, object]) -> None:
        """Every contract that the description fits."""
        request, found = fields["reqId"], self._gateway.table.matching(fields)
        if not found:
            words = "No security definition has been found for the request"
            session.say(answers.error(200, words, request))
            return
        today = answers.utc_now().date()
        for each in found:
            exchange = str(fields["exchange"])
            session.say(answers.contract_details(request, each, exchange, today))
        session.say(answers.end(52, request))

    def option_parameters(self, session, fields: Mapping[str, object]) -> None:
        """Expiries and strikes of an underlying."""
        found = self._gateway.table.options_of(str(fields["symbol"]))
        if found:
            session.say(answers.option_parameters(fields["reqId"], "SMART", found))
        session.say(answers.end(76, fields["reqId"], version=None))
