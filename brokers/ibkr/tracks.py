"""One order at IB, as the gateway's raw events have it; no I/O and no clock.

Fills are the truth, status words are not: a word may come twice, late, or never. What a word ends
comes to life again only where the gateway lists the order as open, or by a fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from brokers.ibkr.api import CommissionReport, Contract, Execution
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.combos import BAG, ids_of
from brokers.ibkr.exact import decimal_of, positive_of
from services.domain.orders import has_our_form
from services.domain.values import ZERO
from services.domain.words import OrderStatus, Side

#: How long a fill waits to be told for the message that brings its commission.
RIPE_SECONDS: Final = 1.0
_CANCELED: Final = frozenset({"Cancelled", "ApiCancelled"})
_FILLED: Final = "Filled"
_INACTIVE: Final = "Inactive"
ENDED: Final = _CANCELED | {_FILLED}
#: Words of a gateway that has passed the order on.
_ACCEPTED: Final = frozenset({"PreSubmitted", "Submitted", "PendingCancel", _FILLED})
_PENDING_COMMISSION: Final = Decimal(-1)
#: Without and with its commission.
_TELLINGS_OF_EACH: Final = 2


class Refusal(NamedTuple):
    """The broker's number and words for what it did not do."""

    code: int
    text: str


@dataclass
class Fill:
    """One telling of one execution.

    Attributes:
        execution_id: IB's `execId` without its last part, which counts the corrections.
        revision: of our telling, the same after every restart: even ones are IB's own, and the odd
            one after it brings a commission that came late.
        commission: None = not told.
        arrived_at: when (monotonic seconds).
        told_bare: it was told without a commission.
    """

    exec_id: str
    execution_id: str
    revision: int
    con_id: int
    contract: Contract
    side: Side
    quantity: Decimal
    price: Decimal
    busted: bool
    occurred_at: datetime
    arrived_at: float
    commission: Decimal | None = None
    currency: str = ""
    told_bare: bool = False

    def ripe(self, now: float) -> bool:
        """Whether it can be told: with its commission, or having waited for it long enough."""
        return self.commission is not None or now - self.arrived_at >= RIPE_SECONDS


class Part(NamedTuple):
    """What of an order is one order of ours: all of it, or one leg of a combo.

    Attributes:
        ratio: units of it for each unit of the order.
    """

    client_order_id: str
    contract: Contract
    side: Side
    ratio: Decimal = Decimal(1)


@dataclass(eq=False)
class Track:
    """One order; it is itself only.

    Attributes:
        perm_id: IB's own number, the same for ever; 0 = not told yet.
        order_id: the client's number; 0 = it has none, or it is not told.
        refusal: what the broker said against it, where no later word took that back.
        doubt: an error that is believed only where the broker does not show the order.
        changing: a change was asked for, and an error is about that.
        shown: whether the gateway has ever said a word of it; else we only know that it was sent.
        sized: whether it has shown the order itself, or was asked for it; else only fills of it
            are known.
        over: it is not open any more, and the gateway does not tell how it ended.
        listed_in: number of the last look in which anything of it was shown.
        open_in: number of the last look in which it was open.
        spoken_at: when the gateway last said something of it by itself (monotonic seconds).
        stands: how it stood when that was last looked at.
        changed_at: when that was found to be not as before.
    """

    changed_at: datetime
    perm_id: int = 0
    order_id: int = 0
    client_id: int = 0
    ref: str = ""
    account: str = ""
    contract: Contract = field(default_factory=Contract)
    order: IbOrder = field(default_factory=IbOrder)
    word: str = ""
    held: str = ""
    said_filled: Decimal = ZERO
    note: str = ""
    refusal: Refusal | None = None
    doubt: Refusal | None = None
    accepted: bool = False
    completed: bool = False
    changing: bool = False
    shown: bool = False
    sized: bool = False
    stands: object = None
    over: bool = False
    listed_in: int = 0
    open_in: int = 0
    spoken_at: float = 0.0
    fills: dict[str, list[Fill]] = field(default_factory=dict)

    @property
    def is_combo(self) -> bool:
        """Whether it is one order of several legs."""
        return self.contract.secType == BAG

    @property
    def works(self) -> bool:
        """Whether it may still fill by itself."""
        if self.word in ENDED or self.over:
            return False
        return all(
            status_of(self, part) in {OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED}
            for part in self.parts()
        )

    def parts(self) -> list[Part]:
        """Our orders that it is; one that is none of ours has no id."""
        side = Side.SELL if self.order.action == "SELL" else Side.BUY
        if not self.is_combo:
            return [Part(self.ref if has_our_form(self.ref) else "", self.contract, side)]
        legs = self.contract.comboLegs
        return [
            Part(
                each_id,
                Contract(conId=leg.conId, currency=self.contract.currency, exchange=leg.exchange),
                side if leg.action == "BUY" else side.opposite,
                Decimal(leg.ratio),
            )
            for each_id, leg in zip(ids_of(self.ref, len(legs)), legs, strict=True)
        ]

    def tellings(self, part: Part) -> Iterator[Fill]:
        """Every telling of every fill of a part."""
        for told in self.fills.values():
            for fill in told:
                if not self.is_combo or fill.con_id == part.contract.conId:
                    yield fill

    def newest(self, part: Part) -> list[Fill]:
        """The last telling of each fill of a part."""
        last = {each.execution_id: each for each in self.tellings(part)}
        return list(last.values())

    def take_word(self, word: str, *, listed: bool = False) -> None:
        """Believe a status word as far as it can be believed; `listed`: among the open orders."""
        ended = self.word in ENDED or self.completed
        if word in _ACCEPTED:
            self.accepted = True
        if word in ENDED or word == _INACTIVE:
            self.word = word
        elif listed or not ended:
            self.word, self.completed, self.over = word, False, False
            if word in _ACCEPTED and not self.changing:
                self.refusal = None

    def settled(self, now: float) -> bool:
        """Whether all that is said to have filled can be told."""
        for part in self.parts():
            told = self.newest(part)
            if not all(each.ripe(now) for each in told):
                return False
            if _gross(self, part) < _said(self, part):
                return False
        return True


def _gross(track: Track, part: Part) -> Decimal:
    """What has filled as it was first told, whatever was corrected since."""
    first: dict[str, Fill] = {}
    for fill in track.tellings(part):
        first.setdefault(fill.execution_id, fill)
    return sum((each.quantity for each in first.values()), ZERO)


def _said(track: Track, part: Part) -> Decimal:
    """How much must have filled by what was said, whether or not the fills were told."""
    said = track.said_filled * part.ratio
    if track.word == _FILLED and not said:
        return whole_of(track, part) or ZERO
    return said


def filled_of(track: Track, part: Part) -> Decimal:
    """How much has filled, by the broker's own count, which may be ahead of the fills it told."""
    counted = [each for each in track.newest(part) if not each.busted]
    net = sum((each.quantity for each in counted), ZERO)
    missing = _said(track, part) - _gross(track, part)
    return net + max(missing, ZERO)


def whole_of(track: Track, part: Part) -> Decimal | None:
    """The size of a part; None = the gateway does not say."""
    total = positive_of(track.order.totalQuantity) or positive_of(track.order.filledQuantity)
    return None if total is None else total * part.ratio


def status_of(track: Track, part: Part) -> OrderStatus:
    """How a part stands."""
    filled, whole = filled_of(track, part), whole_of(track, part)
    is_whole = whole is not None and filled >= whole
    # What an OCO group cuts to what has filled of it is canceled, not filled.
    if track.word == _FILLED or (is_whole and track.word not in _CANCELED):
        return OrderStatus.FILLED
    # Of what has filled in part only the rest can be refused: that order is canceled.
    refused = OrderStatus.CANCELED if filled else OrderStatus.REJECTED
    if track.refusal is not None and (not track.accepted or track.word in _CANCELED | {_INACTIVE}):
        return refused
    if track.word in _CANCELED:
        return OrderStatus.CANCELED
    if track.word == _INACTIVE and track.completed:
        return refused
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.SUBMITTED


def add_execution(track: Track, contract: Contract, told: Execution, now: float) -> Fill | None:
    """Keep a fill; None where it was known, or is the sum of a combo's legs.

    Raises:
        ValueError: its size or price is no number: nobody knows what has filled.
    """
    if track.is_combo and contract.secType == BAG:
        return None
    size = decimal_of(told.shares)
    if size is None or size < 0 or decimal_of(told.price) is None:
        raise ValueError(f"execution {told.execId}: {told.shares} shares at {told.price}")
    execution_id, raw = split_exec_id(told.execId)
    before = track.fills.setdefault(execution_id, [])
    if any(each.exec_id == told.execId for each in before):
        return None
    quantity, price = positive_of(told.shares), positive_of(told.price)
    busted = quantity is None or price is None
    last = before[-1] if before else None
    fill = Fill(
        exec_id=told.execId,
        execution_id=execution_id,
        revision=raw * _TELLINGS_OF_EACH,
        con_id=contract.conId,
        contract=contract,
        side=Side.BUY if told.side == "BOT" else Side.SELL,
        # What was taken back counts for nothing: its size and price are those it had.
        quantity=quantity or (last.quantity if last else Decimal(1)),
        price=price or (last.price if last else Decimal(1)),
        busted=busted,
        occurred_at=told.time,
        arrived_at=now,
        commission=ZERO if busted else None,
    )
    before.append(fill)
    before.sort(key=lambda each: each.revision)
    return fill


def split_exec_id(exec_id: str) -> tuple[str, int]:
    """`0001f4e8.65a1.01.02` → the fill, and 1: the second telling of it."""
    stem, dot, last = exec_id.rpartition(".")
    if not dot or not last.isdecimal():
        return exec_id, 0
    return stem, max(int(last) - 1, 0)


def add_commission(track: Track, told: CommissionReport, now: float) -> bool:
    """Keep what a fill cost; whether that is new."""
    amount = decimal_of(told.commission)
    if amount is None or amount == _PENDING_COMMISSION:
        return False
    fills = track.fills.get(split_exec_id(told.execId)[0], [])
    fill = next((each for each in reversed(fills) if each.exec_id == told.execId), None)
    if fill is None or fill.commission is not None:
        return False
    if not fill.told_bare or fill is not fills[-1]:
        fill.commission, fill.currency = amount, told.currency
        return True
    late = replace(fill, revision=fill.revision + 1, told_bare=False, arrived_at=now)
    late.commission, late.currency = amount, told.currency
    fills.append(late)
    return True


def standing_of(track: Track) -> object:
    """All that is told of an order, to be compared with what was told before."""
    parts = track.parts()
    tellings = [each for part in parts for each in track.newest(part)]
    return (
        [(status_of(track, part), filled_of(track, part)) for part in parts],
        [(each.execution_id, each.revision, each.commission) for each in tellings],
        [str(getattr(track.order, name)) for name in _TERMS],
        track.refusal,
        track.note,
    )


_TERMS: Final = ("totalQuantity", "lmtPrice", "auxPrice", "trailStopPrice")
