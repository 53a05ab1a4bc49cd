"""Which contract an instrument is, and what a contract is called in our books; asked once a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from brokers.errors import BrokerUnavailable, OrderRejected, UnsupportedOrder
from brokers.ibkr.answers import RequestFailed
from brokers.ibkr.api import Contract, ContractDetails
from brokers.ibkr.contracts import (
    Listing,
    asked_contract,
    chosen,
    described,
    instrument_of,
)
from brokers.ibkr.holdings import held_by
from brokers.ibkr.hours import day_of_new_york
from brokers.ibkr.line import Line, now
from services.domain.instruments import Instrument
from services.domain.orders import Order
from services.domain.words import InstrumentType

_NO_SUCH_CONTRACT = 200


class Catalog:
    """Contracts of one account's connection; for one event loop."""

    def __init__(self, line: Line, account: str) -> None:
        self._line = line
        self._account = account
        self._listings: dict[str, tuple[date, Listing]] = {}
        self._names: dict[int, Instrument] = {}

    def name(self, contract: Contract) -> Instrument:
        """What a contract is called in our books: as orders call it, or else as IB does."""
        return self._names.get(contract.conId) or instrument_of(contract)

    async def learn(self, contracts: Iterable[Contract]) -> None:
        """Ask what contracts are of which a message does not tell everything.

        Raises: BrokerUnavailable.
        """
        for contract in contracts:
            if contract.conId in self._names or contract.secType not in {"STK", ""}:
                continue
            exchange = contract.exchange or "SMART"
            found = await self._describe(Contract(conId=contract.conId, exchange=exchange))
            if not found:
                found = await self._describe(Contract(conId=contract.conId))
            name = described(found[0]).instrument if found else instrument_of(contract)
            self._names[contract.conId] = name

    async def listing_for(self, order: Order) -> Listing:
        """The contract that an order trades.

        A future of which no expiry is said is the nearest one; to get out of it, the one that is
        held, whatever has become the nearest since. One of which another month is held is not
        entered: nobody could say of the two which is to be left.

        Raises:
            UnsupportedOrder: it would be booked wrongly, or it is not clear which contract it is.
            OrderRejected: IB knows no such contract.
            BrokerUnavailable: nothing was sent.
        """
        instrument = order.instrument
        reduces = order.intent.reduces_risk
        held = await self._held_future(instrument)
        listing = held if held and reduces else await self.listing(instrument)
        if listing.trouble and not reduces:
            raise UnsupportedOrder(listing.trouble)
        if held and held.contract.conId != listing.contract.conId:
            raise UnsupportedOrder(
                f"{held.contract.localSymbol} is held, and the nearest {instrument.symbol} is "
                f"{listing.contract.localSymbol} now: say which"
            )
        ours = self._names.setdefault(listing.contract.conId, instrument)
        if ours.key != instrument.key and not reduces:
            raise UnsupportedOrder(f"{instrument.key} is in this account's books as {ours.key}")
        return listing

    async def listing(self, instrument: Instrument) -> Listing:
        """The contract that an instrument is today.

        Raises: UnsupportedOrder, OrderRejected, BrokerUnavailable.
        """
        today = day_of_new_york(now().at)
        known = self._listings.get(instrument.key)
        if known is not None and known[0] == today:
            return known[1]
        found = await self._describe(asked_contract(instrument))
        if not found:
            raise OrderRejected(
                str(_NO_SUCH_CONTRACT), f"IB knows no contract for {instrument.key}"
            )
        details = chosen(found, instrument, today)
        if isinstance(details, str):
            raise UnsupportedOrder(details)
        listing = described(details, instrument)
        self._listings[instrument.key] = today, listing
        return listing

    async def _describe(self, wanted: Contract) -> list[ContractDetails]:
        """All contracts that fit; none where IB says that there is none."""
        number = self._line.next_id()
        try:
            return await self._line.ask(
                number, lambda client: client.reqContractDetails(number, wanted)
            )
        except RequestFailed as error:
            if error.code == _NO_SUCH_CONTRACT:
                return []
            raise BrokerUnavailable(f"contract {wanted.symbol or wanted.conId}: {error}") from error

    async def _held_future(self, instrument: Instrument) -> Listing | None:
        if instrument.instrument_type is not InstrumentType.FUTURE or instrument.expiry is not None:
            return None
        held = [
            each.contract
            for each in await held_by(self._line, self._account)
            if (each.contract.secType, each.contract.symbol, each.contract.currency)
            == ("FUT", instrument.symbol, instrument.currency)
        ]
        if not held:
            return None
        held = [each for each in held if self._is_called(each, instrument)] or held
        if len(held) > 1:
            names = ", ".join(sorted(each.localSymbol for each in held))
            raise UnsupportedOrder(f"{len(held)} {instrument.symbol} are held ({names}): say which")
        found = await self._describe(Contract(conId=held[0].conId))
        return described(found[0], instrument) if found else None

    def _is_called(self, contract: Contract, instrument: Instrument) -> bool:
        ours = self._names.get(contract.conId)
        return ours is not None and ours.key == instrument.key
