"""A fake TWS / IB Gateway: a process that speaks IBKR's text protocol to unmodified clients.

`python -m tests.fakes.tws --port P --control-port C --path DIR [--accounts DU1,DU2]`. Behind it is
the engine of the mock broker (`tests.fakes.venue`), so prices, fills, revisions and faults are
commanded in the same words on the control port; what only TWS has is below `/v1/tws`
(`control.py`). Books, order ids and combos outlive a kill -9.

It is strict: a message with a field too many, too few or of another kind, an unknown message and
more than 50 messages in a second are violations (`GET /v1/violations`), besides TWS' own answer.

What the engine's faults mean here, for the next message that changes orders (PLACE, MODIFY, CANCEL;
BRACKET: the last of a chain of untransmitted orders; COMBO: an order of secType BAG):

- DROP_BEFORE_ACCEPT: the message is swallowed. DISCONNECT_BEFORE_ACCEPT: so it is, and the
  connection is reset. ERROR_BEFORE_ACCEPT: so it is, and error 322 carries the order's id.
- ACCEPT_THEN_SILENCE, DELAY_ANSWER: taken; nothing is told of the order for `seconds`; questions
  are answered. ERROR_AFTER_ACCEPT: the same with error 322. GARBAGE_ANSWER: the same with a frame
  that no client can read. DISCONNECT_AFTER_ACCEPT, HIDE_ORDER: taken, then reset.
- THROTTLE: error 100 with the order's id, not taken. (The real one names no id: −1.)
- OUTAGE: 1100 to everybody, orders are answered 504 and not taken, questions are not answered;
  after `seconds` 1102.
- REJECT_NEXT: 201; of a change too, where the order works on. CANCEL_IGNORED: Cancelled and 202 are
  said, the order works on. CANCEL_LATE: PendingCancel now, Cancelled after `seconds`.
- ANSWER_TWICE: openOrder, execDetails, orderStatus and commissionReport come twice;
  REORDER_REPORTS: the last statuses first.
- QUERY: of the next request of orders, executions, positions, accounts, contracts, market data or
  whatIf (not of reqCurrentTime): no answer, error 322 or 100, a cut, garbage, or an answer that is
  late. STREAM: of the next news: cut before it or behind it, garbage, or late.

What is simpler than the real one: an order for an auction (OPG, MOC, LOC) fills when it comes;
combos rest as one order of one price, fill whole, and cannot be changed once they reach the engine;
a child cannot be attached to a parent that was transmitted before it and works; avgCost is without
commissions; of orders nothing but size and prices can be changed.
A fill that is busted is corrected to 0 shares.
"""
