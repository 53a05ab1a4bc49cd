"""Commands: who may, from where, once, and what proves that it was done."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.approvals import approval
from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.incidents import raise_incident
from services.common.kills import kill_runs, save_account
from services.common.notification_channels import start_link
from services.common.store import to_document
from services.domain.approvals import ApprovalRequest, ApprovalStatus, OnTimeout
from services.domain.kills import RunState
from services.domain.users import PERMISSIONS, Role
from services.domain.words import Override, Scope, TradingState
from services.telegram.acts import Acts
from services.telegram.commands import Commands
from services.telegram.replies import Incoming
from services.telegram.views import Views
from tests.fakes.telegram.server import FakeTelegram
from tests.support.documents import (
    make_fill_document,
    make_order_document,
    make_position_document,
    make_signal_document,
)
from tests.support.rows import ACCOUNT, STRATEGY, add_account, add_strategy, allow_trading
from tests.support.telegram import CHAT, NEEDS, add_person, link, meet, shows, telegram, wait_for

pytestmark = pytest.mark.servers


@pytest.fixture
def world(store):
    allow_trading(store)
    add_account(store)
    add_strategy(store)
    store["positions"].insert_one(make_position_document() | {"open": True})
    store["orders"].insert_one(make_order_document())
    store["signal_store"].insert_one(make_signal_document())
    store["execution_confirmations"].insert_one(
        make_fill_document(realized_pnl=Decimal("12.50"), occurred_at=utc_now())
    )
    return store


@pytest.fixture
def commands(world):
    views = Views(world, "PAPER")
    return Commands(world, views, Acts(world, views, kill_timeout_seconds=60))


@pytest.fixture
def fake():
    with FakeTelegram() as server:
        meet(server)
        yield server


def typed(commands, text, chat_id=CHAT, **more):
    """The answers to a message, as one text."""
    known = {"is_private": True, "name": "Olga", "text": text, "sent_at": utc_now()}
    replies = commands.text(Incoming(chat_id, **known | more))
    return "\n".join(each.html for each in replies)


def asked(commands, text):
    """The buttons of the answer, by their words."""
    (reply,) = commands.text(Incoming(CHAT, True, "Olga", text, utc_now()))
    return {each.text: each.data for each in reply.buttons}, reply.html


def pressed(commands, data, chat_id=CHAT, *, private=True):
    replies = commands.press(Incoming(chat_id, private, "Olga", data))
    return "\n".join(each.html for each in replies)


def acts_of(store, what):
    return [row["by"] for row in store["audit_log"].find({"what": what})]


@pytest.fixture
def operator(world):
    add_person(world, "olga")
    link(world)


def test_each_role_may_what_it_may_over_http(world, commands):
    for role in Role:
        add_person(world, "olga", role, (STRATEGY,))
        link(world)
        offered = typed(commands, "/help")
        for name, permissions in NEEDS.items():
            answer = typed(commands, f"/{name}")
            may = bool(PERMISSIONS[role] & permissions)
            assert ("may not do this" not in answer) is may, (role, name)
            assert (f"/{name} " in offered) is may, (role, name)
            assert answer.startswith("<b>PAPER · ")
    assert set(acts_of(world, "COMMAND_REFUSED")) == {"telegram:olga"}


def test_a_stranger_a_group_and_somebody_disabled_get_no_answer(world, commands, operator):
    for _ in range(3):
        assert typed(commands, "/status", 99) == ""
    assert typed(commands, "/status", is_private=False) == ""
    assert pressed(commands, "y:x", 99) == ""
    strangers = sorted(acts_of(world, "TELEGRAM_STRANGER"))
    assert strangers == [f"telegram chat {CHAT}", "telegram chat 99"]
    assert "Status" in typed(commands, "/status")
    world["users"].update_one({"_id": "olga"}, {"$set": {"status": "DISABLED"}})
    assert typed(commands, "/status") == ""


def test_a_code_links_a_private_chat_once_and_guessing_ends(world, commands):
    add_person(world, "olga")
    code, _ = start_link(world, "olga")
    assert typed(commands, f"/start {code}", is_private=False) == ""
    assert "linked to olga" in typed(commands, f"/start {code.lower()}")
    assert "Status" in typed(commands, "/status")
    assert typed(commands, f"/start {code}", 43) == ""  # it worked once
    for number in range(5):
        assert typed(commands, f"/start WRONG{number}", 44) == ""
    fresh, _ = start_link(world, "olga")
    assert typed(commands, f"/start {fresh}", 44) == ""  # it has guessed too often


def test_what_is_shown_is_what_is_stored(commands, operator):
    assert "Trading is ACTIVE" in typed(commands, "/status")
    assert "1 PAPER" in typed(commands, "/status")
    assert "AAPL" in typed(commands, "/signals")
    assert f"in {ACCOUNT} (PAPER)" in typed(commands, "/positions")
    assert f"{STRATEGY}: +12.50 USD" in typed(commands, "/pnl")
    assert f"of {STRATEGY} in {ACCOUNT} (PAPER)" in typed(commands, "/orders")
    assert "equity 1,000,000.00 USD" in typed(commands, "/accounts")
    assert "no limits are set" in typed(commands, "/limits")


def test_a_developer_sees_nothing_of_others(world, commands):
    add_person(world, "dora", "DEVELOPER", ("Other",))
    link(world, "dora")
    assert "none yet" in typed(commands, "/signals")
    assert "nothing is open" in typed(commands, "/positions")
    assert "nothing was closed" in typed(commands, "/pnl")
    assert "none" in typed(commands, "/orders")


def test_pause_stops_entries_and_resume_asks_first(world, commands, operator):
    assert "no entries" in typed(commands, f"/pause strategy {STRATEGY} odd prices")
    (control,) = [each for each in controls(world) if each.scope is Scope.STRATEGY]
    assert (control.override, control.reason) == (Override.REDUCE_ONLY, "odd prices")
    assert control.set_by == "telegram:olga"
    buttons, shown = asked(commands, f"/resume strategy {STRATEGY}")
    assert "odd prices" in shown
    assert "Resumed" in pressed(commands, buttons["Resume"])
    (control,) = [each for each in controls(world) if each.scope is Scope.STRATEGY]
    assert control.state is TradingState.ACTIVE
    assert "ended" in pressed(commands, buttons["Resume"])  # a button works once
    assert "no strategy named" in typed(commands, "/pause strategy Nobody")
    assert acts_of(world, "CONTROL_SET") == ["telegram:olga", "telegram:olga"]


def test_pause_and_reduce_never_loosen_a_halt(world, commands, operator):
    set_control(world, Scope.GLOBAL, by="pete", reason="fire", trading_state=TradingState.HALTED)
    typed(commands, "/pause lunch")
    assert controls(world)[0].state is TradingState.HALTED
    buttons, shown = asked(commands, "/reduce lunch")
    assert "HALTED would become REDUCING" in shown
    assert controls(world)[0].trading_state is TradingState.HALTED
    pressed(commands, buttons["Reduce"])
    assert controls(world)[0].trading_state is TradingState.REDUCING


def test_a_command_that_comes_late_is_not_done(world, commands, operator):
    late = utc_now().replace(year=2025)
    assert "came too late" in typed(commands, "/pause lunch", sent_at=late)
    assert controls(world)[0].state is TradingState.ACTIVE
    assert "Status" in typed(commands, "/status", sent_at=late)


def test_flatten_shows_asks_and_is_refused_to_others_and_twice(world, commands, operator):
    assert "say what" in typed(commands, "/flatten")
    buttons, shown = asked(commands, f"/flatten account {ACCOUNT} fire")
    assert f"in {ACCOUNT} (PAPER)" in shown
    assert kill_runs(world) == []
    data = buttons["Flatten 1 positions"]
    add_person(world, "pete")
    link(world, "pete", 43)
    assert "ended" in pressed(commands, data, 43)  # forwarded, or forged
    assert pressed(commands, data, private=False) == ""
    add_person(world, "olga", "DEVELOPER")
    assert "may not" in pressed(commands, data)  # a role that was lost meanwhile
    add_person(world, "olga")
    assert "ended" in pressed(commands, data)
    buttons, _ = asked(commands, f"/flatten account {ACCOUNT} fire")
    assert "nothing was done" in pressed(commands, buttons["Cancel"])
    assert kill_runs(world) == []


def test_flatten_of_live_money_wants_a_word(world, commands, operator):
    world["trading_accounts"].update_one({}, {"$set": {"account_type": "LIVE"}})
    buttons, shown = asked(commands, f"/flatten account {ACCOUNT} fire")
    assert list(buttons) == ["Cancel"]
    assert "LIVE Flatten account" in shown
    word = shown.partition("send: FLATTEN ")[2][:4]
    assert "not the word" in typed(commands, "flatten ABCD")
    assert kill_runs(world) == []
    assert "FLATTEN account Mock-1" in typed(commands, f"flatten {word.lower()}")
    (run,) = kill_runs(world)
    assert (run.by, run.reason) == ("telegram:olga", "fire")
    assert "not the word" in typed(commands, f"FLATTEN {word}")


def test_a_question_ends(world, commands, operator):
    buttons, _ = asked(commands, "/flatten all fire")
    world["telegram_questions"].update_one({}, {"$set": {"expires_at": utc_now()}})
    assert "ended" in pressed(commands, buttons["Flatten 1 positions"])
    assert kill_runs(world) == []


def waits(store, *signal_ids):
    """Signals that ask, all at once."""
    asking = [asks(signal_id) for signal_id in signal_ids or ("sig_2",)]
    rows = [{"_id": each.signal_id, "open": True, **to_document(each)} for each in asking]
    store["approvals"].insert_many(rows)


def asks(signal_id):
    order = {
        "account_id": ACCOUNT,
        "leg_index": 0,
        "symbol": "MSFT",
        "side": "BUY",
        "quantity": Decimal(5),
        "order_type": "MARKET",
        "notional": Decimal(2000),
    }
    return ApprovalRequest(
        signal_id=signal_id,
        strategy_id=STRATEGY,
        sentence="BUY 10 MSFT",
        orders=(order,),
        asked_at=utc_now(),
        expires_at=utc_now() + timedelta(minutes=5),
        on_timeout=OnTimeout.REJECT,
    )


def test_an_approval_is_answered_with_a_reason(world, commands, operator):
    assert "No signal waits" in typed(commands, "/approve")
    waits(world)
    buttons, shown = asked(commands, "/approve")
    assert f"BUY 5 MSFT in {ACCOUNT} (PAPER)" in shown
    assert "UTC: REJECT" in shown
    assert set(buttons) == {"Approve", "Half", "Reject"}
    late, _ = asked(commands, "/approve")
    assert "why?" in pressed(commands, buttons["Half"])
    assert "halved" in typed(commands, "earnings tonight")
    row = approval(world, "sig_2")
    assert (row.status, row.answered_by, row.reason) == (
        ApprovalStatus.HALVED,
        "telegram:olga",
        "earnings tonight",
    )
    assert "ended" in pressed(commands, buttons["Reject"])
    pressed(commands, late["Approve"])
    assert "sig_2 was halved by telegram:olga" in typed(commands, "too late")


def keyboard(message):
    return [
        each for row in message.get("reply_markup", {}).get("inline_keyboard", []) for each in row
    ]


def incident(store):
    raise_incident(store, kind="EXIT_DENIED", key="sig_9", sentence="nothing to close")


def test_an_alert_of_an_approval_is_answered_below_it(world, connection, fake, operator):
    add_person(world, "rita", "DEVELOPER", (STRATEGY,))
    with telegram(connection, fake):
        waits(world)
        alert = shows(fake, "waits for approval")
        assert f"BUY 5 MSFT in {ACCOUNT} (PAPER)" in alert
        assert "UTC: REJECT" in alert
        pressed_twice = fake.press(CHAT, "Half")
        shows(fake, "HALF: why?")
        fake.push_again(pressed_twice)
        fake.say(CHAT, "earnings tonight")
        shows(fake, "halved")
    row = approval(world, "sig_2")
    assert (row.status, row.answered_by, row.reason) == (
        ApprovalStatus.HALVED,
        "telegram:olga",
        "earnings tonight",
    )
    assert acts_of(world, "APPROVAL_ANSWERED") == ["telegram:olga"]
    assert keyboard(fake.messages[CHAT][0]) == []  # a button works once


def test_each_approval_has_its_own_buttons_and_many_are_one_message(
    world, connection, fake, operator
):
    with telegram(connection, fake):
        waits(world, "sig_2")
        waits(world, "sig_3")
        incident(world)
        wait_for(lambda: len([each for each in fake.messages[CHAT] if keyboard(each)]) == 2)
        shows(fake, "Incident EXIT_DENIED")
        late = next(each for each in fake.messages[CHAT] if keyboard(each))
        offered = keyboard(late)[0]["callback_data"].partition(":")[2]
        # It works as long as the signal waits, not for a minute; and not for somebody else.
        question = world["telegram_questions"].find_one({"_id": offered})
        asked_for = world["approvals"].find_one({"_id": question["facts"]["signal_id"]})
        assert question["expires_at"] == asked_for["expires_at"]
        add_person(world, "pete")
        link(world, "pete", 43)
        meet(fake, 43)
        fake.press_data(43, f"a:{offered}")
        shows(fake, "This question has ended", 43)
        waits(world, *(f"sig_{number}" for number in range(10, 16)))
        shows(fake, "6 approvals")
    assert world["approvals"].count_documents({"status": "WAITING"}) == 8


def test_an_answer_may_go_without_a_reason(world, commands, operator):
    waits(world)
    buttons, _ = asked(commands, "/approve")
    (question,) = commands.press(Incoming(CHAT, True, "Olga", buttons["Reject"]))
    pressed(commands, question.buttons[0].data)
    assert approval(world, "sig_2").status is ApprovalStatus.REJECTED


def test_a_long_answer_is_cut_at_a_line(world, commands, operator):
    for number in range(300):
        row = make_position_document() | {"open": True, "_id": f"P{number}"}
        row["instrument"] = row["instrument"] | {"symbol": f"S{number}&<"}
        world["positions"].insert_one(row)
    answer = typed(commands, "/positions")
    assert len(answer) <= 4096
    assert answer.endswith("… and more")


def prove(store, run):
    """What a desk writes once the broker shows nothing any more."""
    account = run.accounts[0].model_copy(
        update={
            "state": RunState.DONE,
            "orders_left": 0,
            "positions_left": 0,
            "looked_at": utc_now(),
            "broker_asked_at": utc_now(),
            "proven_at": utc_now(),
        }
    )
    assert save_account(store, run.run_id, account, now=utc_now())


def test_flatten_over_the_bot_with_its_proof(world, connection, fake, operator):
    with telegram(connection, fake):
        fake.say(99, "/flatten all")
        fake.say(CHAT, f"/flatten account {ACCOUNT} fire")
        shows(fake, "Flatten account Mock-1?")
        again = fake.press(CHAT, "Flatten 1")
        (run,) = wait_for(lambda: kill_runs(world))
        shows(fake, "Running")
        fake.push_again(again)  # as after an answer of Telegram's that was lost
        prove(world, run)
        assert "orders 0 → 0, positions 0 → 0, DONE" in shows(fake, "PROVEN by the broker")
        assert fake.texts(99) == []
        fake.say(CHAT, "/status")
        shows(fake, "Trading is ACTIVE")
    assert len(kill_runs(world)) == 1
    assert not any("reply_markup" in each for each in fake.messages[CHAT])  # buttons went
    assert all(text.startswith("PAPER · ") for text in fake.texts(CHAT))


@pytest.mark.parametrize(
    "broken", [{"message": 5}, {"message": {"chat": {}}}, {"callback_query": []}]
)
def test_an_update_that_cannot_be_read_does_not_end_the_bot(
    world, connection, fake, operator, broken
):
    with telegram(connection, fake) as process:
        with fake._changed:
            fake._add(broken)
        bot = next(part for part in process.parts if hasattr(part, "_trouble"))
        wait_for(lambda: "not reached" in bot._trouble)
        with fake._changed:
            fake._updates.clear()
        wait_for(lambda: not bot._trouble)
        fake.say(CHAT, "/help")
        assert "/status" in shows(fake, "/status")
