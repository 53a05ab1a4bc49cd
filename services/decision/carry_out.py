"""From a plan to orders: whole lots of all legs at one scale, checked once more as orders."""

from __future__ import annotations

from decimal import Decimal

from services.decision.plans import Common, Plan, SizedLeg
from services.decision.rounding import whole_lots
from services.decision.waterfall import ONE, Denied, settled
from services.domain.approvals import ApprovalStatus, quantity_key
from services.domain.decisions import Passable
from services.domain.signals import plain


def carry_out(plan: Plan, scale: Decimal, common: Common) -> list[SizedLeg]:
    """Whole lots of all legs at a scale, checked once more as orders.

    Raises:
        Denied: less than one lot is left, or an order is larger than any order may be.
    """
    if scale <= 0:
        name = plan.caps.binding or "available_capital"
        sentence = f"{name.replace('_', ' ')}: nothing is left in this account"
        raise Denied(f"{name.upper()}_EXCEEDED", sentence)
    exact = _approved(plan, [settled(each * scale) for each in plan.exact], common)
    sized = _rounded(plan, exact)
    least = common.strategy.min_size_ratio
    if scale < least:
        name = plan.caps.binding or "available_capital"
        sentence = (
            f"{name.replace('_', ' ')}: {scale:.4f} of the size would have passed, the strategy "
            f"takes no less than {plain(least)}"
        )
        plan.waterfall.note("min_size", sentence, before=scale, limit=least, bound=True)
        raise Denied(f"{name.upper()}_EXCEEDED", sentence, passable=_passable(plan, sized))
    _check_order_size(plan, common, exact, sized)
    return sized


def _approved(plan: Plan, exact: list[Decimal], common: Common) -> list[Decimal]:
    """No more than a person was shown, and half of it where they said so.

    Raises: Denied: nothing was shown to them in this account.
    """
    answer = common.context.approval
    if answer is None:
        return exact
    name, share = plan.account.account.account_id, ONE
    quantities = whole_lots(exact, [each.leg.instrument for each in plan.priced])
    for each, number, quantity in zip(plan.priced, exact, quantities, strict=True):
        shown = answer.quantities.get(quantity_key(name, each.leg.leg_index))
        if shown is None:
            sentence = f"no order in {name} was shown to {answer.by}, so none was approved"
            raise plan.waterfall.stop("approval", "APPROVAL_MISSING", sentence)
        if quantity > shown:
            share = min(share, shown / number)
    words = "all of it was approved by {}" if share == ONE else "no more than was shown to {}"
    if answer.status is ApprovalStatus.HALVED:
        share, words = share / 2, "halved by {}"
    note = plan.waterfall.note
    note("approval", words, answer.by, before=ONE, after=share, bound=share < ONE)
    return exact if share == ONE else [settled(each * share) for each in exact]


def _rounded(plan: Plan, exact: list[Decimal]) -> list[SizedLeg]:
    instruments = [each.leg.instrument for each in plan.priced]
    quantities = whole_lots(exact, instruments)
    sized = []
    legs = zip(plan.priced, quantities, plan.per_leg, strict=True)
    for number, (each, quantity, wanted) in enumerate(legs):
        leg = each.leg
        plan.waterfall.note(
            "lot",
            "{:.6f} {} down to lots of {}",
            exact[number],
            leg.instrument.symbol,
            leg.instrument.lot,
            before=exact[number],
            after=quantity,
            limit=leg.instrument.lot,
            bound=not quantity,
            leg_index=leg.leg_index,
        )
        if not quantity:
            raise Denied(
                "QUANTITY_BELOW_LOT",
                f"{exact[number]:.6f} {leg.instrument.symbol} is less than one lot of "
                f"{plain(leg.instrument.lot)}"
                + (" in the ratio of the legs" if len(quantities) > 1 else ""),
            )
        if leg.side is None:
            sentence = f"neither BUY nor SELL was said for {leg.instrument.symbol}"
            raise Denied("SIDE_MISSING", sentence)
        part = quantity / plan.exact[number]
        sized.append(
            SizedLeg(
                leg,
                leg.side,
                quantity,
                settled(wanted.capital * part),
                settled(wanted.margin * part),
                quantity * each.unit_value * leg.side.sign,
            )
        )
    return sized


def _check_order_size(
    plan: Plan, common: Common, exact: list[Decimal], sized: list[SizedLeg]
) -> None:
    """Fat finger: an order above these is an error of somebody's, so it is not made smaller.

    Raises: Denied, with the largest that would have passed.
    """
    for scoped in (plan.limits, *common.limits):
        for name, amount in (
            ("max_order_quantity", "quantity"),
            ("max_order_notional", "notional"),
        ):
            rule = scoped.rule(name)
            if rule is None:
                continue
            for number, leg in enumerate(sized):
                if scoped.key not in plan.per_leg[number].scopes:
                    continue
                size = abs(getattr(leg, amount))
                plan.waterfall.note(
                    "order_size",
                    "{} {:,.2f} of {}, {:,.2f} allowed",
                    amount,
                    size,
                    leg.leg.instrument.symbol,
                    rule.value,
                    before=size,
                    limit=rule.value,
                    bound=size > rule.value,
                    leg_index=leg.leg.leg_index,
                    rule=rule.words,
                )
                if size > rule.value:
                    sentence = plan.waterfall.steps[-1].sentence
                    smaller = whole_lots(
                        [settled(each * rule.value / size) for each in exact],
                        [each.leg.instrument for each in plan.priced],
                    )
                    raise Denied(
                        "ORDER_TOO_LARGE", sentence, passable=_passable(plan, sized, smaller)
                    )


def _passable(
    plan: Plan, sized: list[SizedLeg], quantities: list[Decimal] | None = None
) -> tuple[Passable, ...]:
    account_id = plan.account.account.account_id
    chosen = quantities or [each.quantity for each in sized]
    return tuple(
        Passable(account_id=account_id, leg_index=each.leg.leg_index, quantity=quantity)
        for each, quantity in zip(sized, chosen, strict=True)
    )
