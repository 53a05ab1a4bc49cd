"""Which fields each message has, in their order: data, for server versions 176 to 178.

`name:kind` as `wire.Reader` takes them. Where a field is there only under a condition, the run ends
before it, and `placement` or `order_answers` says the condition.
"""

from __future__ import annotations


def names(text: str) -> tuple[str, ...]:
    """Names that are written in one text, with spaces between them."""
    return tuple(text.split())


CONTRACT = names(
    "conId:int symbol secType lastTradeDateOrContractMonth strike:num? right multiplier exchange "
    "primaryExchange currency localSymbol tradingClass"
)
#: Messages that are the same run of fields whatever is in them, by number: name, fields.
REQUESTS: dict[int, tuple[str, tuple[str, ...]]] = {
    number: (name, names(fields))
    for number, name, fields in (
        (2, "cancelMktData", "version:int reqId:int"),
        (4, "cancelOrder", "version:int orderId:int manualCancelOrderTime"),
        (5, "reqOpenOrders", "version:int"),
        (6, "reqAccountUpdates", "version:int subscribe:flag account"),
        (
            7,
            "reqExecutions",
            "version:int reqId:int clientId:int account time symbol secType exchange side",
        ),
        (8, "reqIds", "version:int count:int"),
        (14, "setServerLogLevel", "version:int level:int"),
        (15, "reqAutoOpenOrders", "version:int bind:flag"),
        (16, "reqAllOpenOrders", "version:int"),
        (17, "reqManagedAccts", "version:int"),
        (49, "reqCurrentTime", "version:int"),
        (58, "reqGlobalCancel", "version:int"),
        (59, "reqMarketDataType", "version:int type:int"),
        (61, "reqPositions", "version:int"),
        (62, "reqAccountSummary", "version:int reqId:int group tags"),
        (63, "cancelAccountSummary", "version:int reqId:int"),
        (64, "cancelPositions", "version:int"),
        (71, "startApi", "version:int clientId:int capabilities"),
        (74, "reqPositionsMulti", "version:int reqId:int account model"),
        (75, "cancelPositionsMulti", "version:int reqId:int"),
        (76, "reqAccountUpdatesMulti", "version:int reqId:int account model ledger:flag?"),
        (77, "cancelAccountUpdatesMulti", "version:int reqId:int"),
        (78, "reqSecDefOptParams", "reqId:int symbol exchange secType conId:int"),
        (91, "reqMarketRule", "ruleId:int"),
        (92, "reqPnL", "reqId:int account model"),
        (93, "cancelPnL", "reqId:int"),
        (98, "cancelTickByTickData", "reqId:int"),
        (99, "reqCompletedOrders", "apiOnly:flag"),
    )
}
REQUESTS[9] = (
    "reqContractDetails",
    (
        "version:int",
        "reqId:int",
        *CONTRACT,
        "includeExpired:flag",
        "secIdType",
        "secId",
        "issuerId",
    ),
)
REQUESTS[97] = (
    "reqTickByTickData",
    ("reqId:int", *CONTRACT, "tickType", "count:int", "ignoreSize:flag"),
)
#: The version that each of these messages is sent with; another one has other fields.
VERSIONS = {2: 2, 6: 2, 7: 3, 9: 8, 71: 2, 1: 11}

MARKET_DATA = ("version:int", "reqId:int", *CONTRACT)
MARKET_DATA_LEG = ("conId:int", "ratio:int", "action", "exchange")
MARKET_DATA_END = ("genericTicks", "snapshot:flag", "regulatory:flag", "options")
DELTA_NEUTRAL_CONTRACT = ("conId:int", "delta:num", "price:num")

PLACE_HEAD = (
    "orderId:int",
    *CONTRACT,
    *names(
        "secIdType secId action totalQuantity:num? orderType lmtPrice:num? auxPrice:num? tif "
        "ocaGroup account openClose origin:int orderRef transmit:flag parentId:int blockOrder:flag "
        "sweepToFill:flag displaySize:int? triggerMethod:int outsideRth:flag hidden:flag"
    ),
)
PLACE_LEG = names(
    "conId:int ratio:int action exchange openClose:int shortSaleSlot:int designatedLocation "
    "exemptCode:int"
)
PLACE_LEG_PRICE = ("price:num?",)
TAG_VALUE = ("tag", "value")
PLACE_ALLOCATION = names(
    "sharesAllocation discretionaryAmt:num? goodAfterTime goodTillDate faGroup faMethod "
    "faPercentage"
)
PLACE_MIDDLE = names(
    "modelCode shortSaleSlot:int designatedLocation exemptCode:int ocaType:int rule80A "
    "settlingFirm allOrNone:flag minQty:int? percentOffset:num? eTradeOnly:flag firmQuoteOnly:flag "
    "nbboPriceCap:num? auctionStrategy:int? startingPrice:num? stockRefPrice:num? delta:num? "
    "stockRangeLower:num? stockRangeUpper:num? overridePercentageConstraints:flag volatility:num? "
    "volatilityType:int? deltaNeutralOrderType deltaNeutralAuxPrice:num?"
)
PLACE_DELTA_NEUTRAL = names(
    "deltaNeutralConId:int deltaNeutralSettlingFirm deltaNeutralClearingAccount "
    "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale:flag "
    "deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation"
)
PLACE_TRAIL = names(
    "continuousUpdate:flag referencePriceType:int? trailStopPrice:num? trailingPercent:num? "
    "scaleInitLevelSize:int? scaleSubsLevelSize:int? scalePriceIncrement:num?"
)
PLACE_SCALE = names(
    "scalePriceAdjustValue:num? scalePriceAdjustInterval:int? scaleProfitOffset:num? "
    "scaleAutoReset:flag scaleInitPosition:int? scaleInitFillQty:int? "
    "scaleRandomPercent:flag"
)
PLACE_TABLE = ("scaleTable", "activeStartTime", "activeStopTime", "hedgeType")
PLACE_CLEARING = ("optOutSmartRouting:flag", "clearingAccount", "clearingIntent", "notHeld:flag")
PLACE_WHAT_IF = names(
    "algoId whatIf:flag miscOptions solicited:flag randomizeSize:flag randomizePrice:flag"
)
PLACE_BENCHMARK = names(
    "referenceContractId:int isPeggedChangeAmountDecrease:flag peggedChangeAmount:num? "
    "referenceChangeAmount:num? referenceExchangeId"
)
CONDITIONS = {
    number: ("conjunction", *names(fields))
    for number, fields in (
        (1, "isMore:flag price:num conId:int exchange triggerMethod:int"),
        (3, "isMore:flag time"),
        (4, "isMore:flag percent:num"),
        (5, "secType exchange symbol"),
        (6, "isMore:flag volume:int conId:int exchange"),
        (7, "isMore:flag changePercent:num conId:int exchange"),
    )
}
CONDITIONS_END = ("conditionsIgnoreRth:flag", "conditionsCancelOrder:flag")
PLACE_TAIL = names(
    "adjustedOrderType triggerPrice:num? lmtPriceOffset:num? adjustedStopPrice:num? "
    "adjustedStopLimitPrice:num? adjustedTrailingAmount:num? adjustableTrailingUnit:int "
    "extOperator softDollarTierName softDollarTierValue cashQty:num? mifid2DecisionMaker "
    "mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge:flag "
    "isOmsContainer:flag discretionaryUpToLimitPrice:flag usePriceMgmtAlgo:flag? duration:int? "
    "postToAts:int? autoCancelParent:flag advancedErrorOverride manualOrderTime"
)

#: openOrder, by the names of placeOrder's fields and of those that the gateway adds.
OPEN_ORDER_HEAD = names(
    "conId symbol secType lastTradeDateOrContractMonth strike right multiplier exchange currency "
    "localSymbol tradingClass action totalQuantity orderType lmtPrice auxPrice tif ocaGroup "
    "account openClose"
)
OPEN_ORDER_A = names(
    "outsideRth hidden discretionaryAmt goodAfterTime sharesAllocation faGroup faMethod "
    "faPercentage"
)
OPEN_ORDER_B = names(
    "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation "
    "exemptCode auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper "
    "displaySize blockOrder sweepToFill allOrNone minQty ocaType eTradeOnly firmQuoteOnly "
    "nbboPriceCap parentId triggerMethod"
)
OPEN_ORDER_C = names(
    "adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice "
    "adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit softDollarTierName "
    "softDollarTierValue softDollarTierDisplay cashQty dontUseAutoPriceForHedge isOmsContainer "
    "discretionaryUpToLimitPrice usePriceMgmtAlgo duration postToAts autoCancelParent minTradeQty "
    "minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
)
COMPLETED_A = names("outsideRth hidden discretionaryAmt goodAfterTime")
COMPLETED_FA = ("faGroup", "faMethod", "faPercentage")
COMPLETED_B = names(
    "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation "
    "exemptCode startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize "
    "sweepToFill allOrNone minQty ocaType triggerMethod"
)
COMPLETED_C = names(
    "trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer autoCancelDate "
    "filledQuantity refFuturesConId autoCancelParent shareholder imbalanceOnly "
    "routeMarketableToBbo parentPermId completedTime completedStatus minTradeQty minCompeteSize "
    "competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
)
#: A contract as most answers describe it; a portfolio row names where it is listed.
ANSWERED_CONTRACT = names(
    "conId symbol secType lastTradeDateOrContractMonth strike right multiplier exchange currency "
    "localSymbol tradingClass"
)
PORTFOLIO_CONTRACT = tuple(
    "primaryExchange" if name == "exchange" else name for name in ANSWERED_CONTRACT
)
DETAILS_CONTRACT = names(
    "symbol secType lastTradeDateOrContractMonth strike right exchange currency localSymbol"
)
COMBO_CONTRACT = names("symbol secType exchange currency localSymbol tradingClass")
#: What the gateway writes for a field that was not set, where that is not nothing.
WRITTEN_UNSET = {
    "tif": "DAY",
    "lmtPrice": 0,
    "auxPrice": 0,
    "openClose": "",
    "origin": 0,
    "exemptCode": -1,
    "triggerMethod": 0,
    "shortSaleSlot": 0,
    "auctionStrategy": 0,
    "parentId": 0,
    "strike": 0,
    "discretionaryAmt": 0,
    "adjustableTrailingUnit": 0,
    "refFuturesConId": 0,
    "parentPermId": 0,
    "ocaType": 3,
    "displaySize": 0,
    "imbalanceOnly": 0,
    "routeMarketableToBbo": 0,
    "eTradeOnly": 0,
    "firmQuoteOnly": 0,
    "triggerPrice": "1.7976931348623157E308",
    "adjustedStopPrice": "1.7976931348623157E308",
    "adjustedStopLimitPrice": "1.7976931348623157E308",
    "adjustedTrailingAmount": "1.7976931348623157E308",
    "lmtPriceOffset": "1.7976931348623157E308",
    "cashQty": 0,
    "autoCancelParent": False,
    "outsideRth": False,
    "hidden": False,
    "blockOrder": False,
    "sweepToFill": False,
    "allOrNone": False,
    "dontUseAutoPriceForHedge": False,
    "isOmsContainer": False,
    "discretionaryUpToLimitPrice": False,
    "usePriceMgmtAlgo": False,
}
