"""What all legs of an entry need: the broker's word for it, or the formula; never a guess."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.decision.exposure import FxUnknown, line_of
from services.decision.margin import Line, MarginRules, MarginUnknown, Requirement, added
from services.decision.plans import Common
from services.decision.policies import PricedLeg
from services.decision.prices import preview_key, underlying_of
from services.decision.rounding import lots_up
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, PreviewLeg
from services.domain.decisions import Question
from services.domain.risk import scope_key
from services.domain.values import ZERO
from services.domain.words import InstrumentType, Scope, Side

_OPTION: Final = InstrumentType.OPTION


def requirement_of(
    common: Common,
    account: AccountContext,
    priced: list[PricedLeg],
    exact: list[Decimal],
    waterfall: Waterfall,
) -> Requirement:
    """Margin and capital of all legs at scale 1: the broker's word, or the formula.

    Raises:
        Denied: neither is known; unknown is never zero.
    """
    formula, unknown = _formula(common, account, priced, exact)
    initial = None
    if account.account.previews_margin:
        initial = _preview(common, account, priced, exact, formula, waterfall)
    if initial is None and formula is None:
        raise waterfall.stop("margin_rate", "MARGIN_UNKNOWN", unknown)
    if initial is None and formula is not None:
        waterfall.note("margin_rate", formula.sentence, after=formula.initial)
        return formula
    initial = max(initial or ZERO, ZERO)
    if formula is None:
        return Requirement(initial, initial, initial, "the broker's preview")
    return formula._replace(initial=initial)


def _formula(
    common: Common, account: AccountContext, priced: list[PricedLeg], exact: list[Decimal]
) -> tuple[Requirement | None, str]:
    """By the local rules, or None and why not."""
    lines = [
        Line(
            each.leg.instrument,
            quantity * (each.leg.side.sign if each.leg.side else 1),
            each.price,
            each.fx_rate,
        )
        for each, quantity in zip(priced, exact, strict=True)
    ]
    rules = rules_of(common, account)
    symbols = {
        line.instrument.symbol for line in lines if line.instrument.instrument_type is _OPTION
    }
    try:
        held = [
            line_of(account.account, position)
            for position in account.positions
            if position.instrument.symbol in symbols
        ]
        return added(held, lines, rules), ""
    except (MarginUnknown, FxUnknown) as error:
        return None, str(error)


def rules_of(common: Common, account: AccountContext) -> MarginRules:
    """The margin rules of an account, with what is known of futures and of underlyings."""
    model = account.account.margin_model
    rules = common.rules.get(model)
    if rules is None:
        rules = MarginRules(model=model).with_futures(common.context.futures_margins)
        common.rules[model] = rules
    prices = {}
    for leg in common.signal.legs if account.prices else ():
        found = account.prices.get(underlying_of(leg.instrument).key)
        if found is not None and found.price is not None:
            prices[leg.instrument.symbol] = found.price
    return rules.model_copy(update={"underlying_prices": prices}) if prices else rules


def _preview(
    common: Common,
    account: AccountContext,
    priced: list[PricedLeg],
    exact: list[Decimal],
    formula: Requirement | None,
    waterfall: Waterfall,
) -> Decimal | None:
    """Initial margin by the broker's own preview; None, and a question to it, without one."""
    name, said = account.account.account_id, account.margin_preview
    limit = common.context.limits.margin_max_age_seconds
    if said is not None and said.initial_margin is not None and said.as_of is not None:
        age = (common.context.now - said.as_of).total_seconds()
        if age <= limit:
            initial = said.initial_margin * exact[0] / said.legs[0].quantity
            waterfall.note(
                "margin_preview",
                "{:,.2f} by the broker of {}, {:.1f} s old" + _against(formula),
                initial,
                name,
                age,
                *((formula.initial,) if formula else ()),
                before=formula.initial if formula else None,
                after=initial,
            )
            return initial
    legs = tuple(
        PreviewLeg(
            instrument=each.leg.instrument,
            side=each.leg.side or Side.BUY,
            quantity=lots_up(quantity, each.leg.instrument.lot),
        )
        for each, quantity in zip(priced, exact, strict=True)
    )
    waterfall.questions.append(
        Question(account_id=name, key=preview_key(name, common.signal), legs=legs)
    )
    why = said.error if said is not None and said.error else "has not said yet"
    waterfall.note("margin_preview", "the broker of {} {}", name, why)
    return None


def _against(formula: Requirement | None) -> str:
    return ", {:,.2f} by the formula" if formula else ", no formula to compare with"


def free_margin(account: AccountContext) -> Decimal:
    """Margin for new risk: the smaller of the broker's figure and our own.

    The broker's figure is as old as the last poll and misses what was sent since, so all that is
    reserved is taken off; ours is equity less the margin of our books and of all that is reserved.
    """
    reported = account.account.available_funds
    if reported is None:
        raise Denied("MARGIN_UNKNOWN", "the account's available funds are not known")
    used = account.exposures.get(scope_key(Scope.ACCOUNT, account.account.account_id))
    margin = used.margin if used else ZERO
    return min(reported - account.reserved_margin, (account.account.equity or ZERO) - margin)
