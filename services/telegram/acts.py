"""Commands that change something; each is signed `telegram:NAME`, and calls what scripts call."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.common.approvals import answer_approval
from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.kills import (
    ConfirmationMissing,
    KillRequest,
    end_released,
    kill_run,
    note_overdue,
    request_kill,
)
from services.common.scopes import check_exists, plain_scope_id
from services.common.signed import Signed
from services.common.store import Document, Store
from services.domain.approvals import ApprovalAnswer
from services.domain.errors import ConfigurationError
from services.domain.kills import KillRun, KillStage, RunState
from services.domain.notifications import Recipient
from services.domain.risk import scope_in_words, scope_key
from services.domain.words import Override, Scope, TradingState
from services.telegram.events import kill_lines
from services.telegram.lookups import Lookups
from services.telegram.questions import SECONDS, Questions
from services.telegram.replies import Button, Incoming, Offer, Reply, reply
from services.telegram.scoping import Asked, parse
from services.telegram.views import Views, control_line, position_line

FLATTEN: Final = "FLATTEN"
RESUME: Final = "RESUME"
REDUCE: Final = "REDUCE"
APPROVE: Final = "APPROVE"
#: An answer to an approval that waits for its reason.
REASON: Final = "REASON"
YES: Final = "y"
NO: Final = "n"
ANSWERS: Final = {"a": "APPROVE", "h": "HALF", "r": "REJECT"}
NO_REASON: Final = "s"
_LIVE: Final = "LIVE"
_MOST_APPROVALS: Final = 10


def signature(who: Recipient) -> str:
    """As the audit log names somebody who acts by Telegram."""
    return f"telegram:{who.user}"


class Acts:
    """What may be done from a telephone.

    Args:
        store: the database.
        views: for the same words everywhere.
        kill_timeout_seconds: until a kill that is not proven is an incident.
    """

    def __init__(self, store: Store, views: Views, *, kill_timeout_seconds: float) -> None:
        self._store = store
        self._views = views
        self._lookups = Lookups(store)
        self._timeout = kill_timeout_seconds
        self.questions = Questions(store)

    def pause(self, who: Recipient, _incoming: Incoming, words: str) -> list[Reply]:
        """No entries; the kill switch stays as it is."""
        asked = parse(words)
        control = set_control(
            self._store,
            asked.scope,
            asked.scope_id,
            by=signature(who),
            reason=_reason(asked, "paused"),
            override=Override.REDUCE_ONLY,
        )
        lines = [control_line(control), "Exits go on. /resume lets entries go again."]
        return [reply(self._views.title("Paused: no entries"), lines)]

    def resume(self, who: Recipient, incoming: Incoming, words: str) -> list[Reply]:
        """Ask whether all may go again; what would change is shown."""
        asked = self._existing(parse(words))
        key = scope_key(asked.scope, asked.scope_id)
        held = [each for each in controls(self._store) if each.key == key]
        lines = [f"Now: {control_line(each)}" for each in held] or ["Now: nothing is set."]
        question = self._ask(who, incoming, RESUME, asked)
        where = scope_in_words(asked.scope, asked.scope_id)
        buttons = _yes_no(question, "Resume")
        return [reply(self._views.title(f"Resume {where}?"), [*lines, _EXPIRES], buttons)]

    def reduce(self, who: Recipient, incoming: Incoming, words: str) -> list[Reply]:
        """The kill switch to REDUCING: exits only."""
        asked = self._existing(parse(words))
        try:
            return [self._kill(who, asked, KillStage.REDUCE, confirmed=False)]
        except ConfirmationMissing as error:
            question = self._ask(who, incoming, REDUCE, asked)
            where = scope_in_words(asked.scope, asked.scope_id)
            title = self._views.title(f"Reduce {where}?")
            return [reply(title, [str(error), _EXPIRES], _yes_no(question, "Reduce"))]

    def flatten(self, who: Recipient, incoming: Incoming, words: str) -> list[Reply]:
        """First step: what would be closed. Nothing happens until it is confirmed."""
        asked = parse(words)
        if not asked.named:
            raise ConfigurationError(
                "say what: /flatten all, /flatten account NAME, /flatten strategy NAME or "
                "/flatten instrument SYMBOL, and why"
            )
        asked = self._existing(asked)
        modes = self._lookups.modes()
        held = self._lookups.positions_in(asked.scope, asked.scope_id)
        reached = {each.account_id for each in held}
        if asked.scope is Scope.ACCOUNT:
            reached.add(asked.scope_id)
        live = sorted(name for name in reached if modes.get(name) == _LIVE)
        question = self._ask(who, incoming, FLATTEN, asked)
        where = scope_in_words(asked.scope, asked.scope_id)
        lines = [
            "Working orders are canceled, entries stop, and by our books this is closed at market:",
            *(position_line(each, modes) for each in held),
            *(() if held else ("nothing is open",)),
        ]
        if live:  # a thumb slips; a word does not
            lines += [f"LIVE: {', '.join(live)}", f"To do it, send: FLATTEN {question['word']}"]
            buttons = _yes_no(question, "")[1:]
        else:
            buttons = _yes_no(question, f"Flatten {len(held)} positions")
        title = self._views.title(f"{'LIVE ' if live else ''}Flatten {where}?")
        return [reply(title, [*lines, _EXPIRES], buttons)]

    def approvals(self, who: Recipient, incoming: Incoming, _words: str) -> list[Reply]:
        """Every signal that waits, each with its buttons."""
        waiting = self._lookups.approvals_waiting(_MOST_APPROVALS)
        if not waiting:
            return [reply(self._views.title("No signal waits for approval"))]
        return [self._approval(who, incoming, row) for row in waiting]

    def offer(self, who: Recipient, chat_id: int, signal_id: str) -> Offer | None:
        """What an alert of a signal that waits shows and offers; None = it waits no more.

        Its buttons work until its time is up, not for a minute: nobody knows when it is read.
        """
        row = self._lookups.approval_waiting(signal_id)
        if row is None:
            return None
        until = row.get("expires_at")
        return Offer("\n".join(self._waiting(row)), self._answers(who, chat_id, row, until))

    def _approval(self, who: Recipient, incoming: Incoming, row: Document) -> Reply:
        title = self._views.title(f"{row.get('strategy_id', '')}: approve?")
        return reply(title, self._waiting(row), self._answers(who, incoming.chat_id, row))

    def _waiting(self, row: Document) -> list[str]:
        """What would be ordered, where, and what nobody's answer counts as."""
        modes = self._lookups.modes()
        lines = [str(row.get("sentence", ""))]
        lines += [
            f"{each.get('side', '')} {each.get('quantity', '')} {each.get('symbol', '')} in "
            f"{each.get('account_id', '')} ({modes.get(str(each.get('account_id')), 'unknown')})"
            for each in row.get("orders", ())
        ]
        if row.get("expires_at") is not None:
            default = row.get("on_timeout", "REJECT")
            lines.append(f"After {row['expires_at']:%H:%M:%S} UTC: {default}.")
        return lines

    def _answers(
        self, who: Recipient, chat_id: int, row: Document, until: datetime | None = None
    ) -> tuple[Button, ...]:
        facts = {"signal_id": row["_id"], "sentence": str(row.get("sentence", ""))}
        question = self.questions.ask(chat_id, who.user, APPROVE, until=until, **facts)
        words = {"a": "Approve", "h": "Half", "r": "Reject"}
        return tuple(Button(word, f"{act}:{question['_id']}") for act, word in words.items())

    def ask_reason(self, incoming: Incoming, question: Document, answer: str) -> list[Reply]:
        """Second step of an approval: why."""
        facts = {**question["facts"], "answer": answer}
        asked = self.questions.ask(incoming.chat_id, question["user"], REASON, **facts)
        lines = ["Send the reason as a message.", _EXPIRES]
        buttons = (
            Button("Without a reason", f"{NO_REASON}:{asked['_id']}"),
            Button("Cancel", f"{NO}:{asked['_id']}"),
        )
        return [reply(self._views.title(f"{answer}: why?"), lines, buttons)]

    def answered(self, who: Recipient, question: Document, reason: str) -> list[Reply]:
        """Third step: the answer is given."""
        facts = question["facts"]
        why = reason.strip() or "answered in Telegram without a reason"
        answer = ApprovalAnswer(facts["answer"])
        request = answer_approval(
            self._store, facts["signal_id"], answer, Signed(signature(who), why)
        )
        title = f"{request.strategy_id}: {request.status.lower()}"
        return [reply(self._views.title(title), [request.sentence, why])]

    def confirmed(self, who: Recipient, question: Document) -> list[Reply]:
        """Do what was asked for and confirmed."""
        facts = question["facts"]
        asked = Asked(Scope(facts["scope"]), facts["scope_id"], facts["reason"], named=True)
        if question["act"] == RESUME:
            return [self._resume(who, asked)]
        stage = KillStage.FLATTEN if question["act"] == FLATTEN else KillStage.REDUCE
        return [self._kill(who, asked, stage, confirmed=True)]

    def _resume(self, who: Recipient, asked: Asked) -> Reply:
        control = set_control(
            self._store,
            asked.scope,
            asked.scope_id,
            by=signature(who),
            reason=_reason(asked, "resumed"),
            trading_state=TradingState.ACTIVE,
            override=Override.NONE,
        )
        ended = [f"{each} ends" for each in end_released(self._store, control)]
        others = [
            f"Still held back: {control_line(each)}"
            for each in controls(self._store)
            if each.state is not TradingState.ACTIVE
        ]
        return reply(self._views.title("Resumed"), [control_line(control), *ended, *others])

    def _kill(self, who: Recipient, asked: Asked, stage: KillStage, *, confirmed: bool) -> Reply:
        wanted = KillRequest(
            scope=asked.scope,
            scope_id=asked.scope_id,
            stage=stage,
            by=signature(who),
            reason=_reason(asked, stage.lower()),
            confirmed=confirmed,
        )
        run = request_kill(self._store, wanted, timeout_seconds=self._timeout)
        if stage is KillStage.REDUCE:
            lines = ["Exits only. /resume lets all go again."]
            return reply(self._views.title(f"{run.in_words}: done"), lines)
        return Reply(self._proof(run), follow=run.run_id)

    def proof(self, run_id: str) -> tuple[str, bool]:
        """How far a kill has come, and whether it has ended. Raises: ConfigurationError."""
        run = kill_run(self._store, run_id)
        if run is None:
            raise ConfigurationError(f"there is no kill run {run_id!r}")
        if run.at(utc_now()) != run:
            note_overdue(self._store, run, utc_now())
            run = run.at(utc_now())
        return self._proof(run), run.state is not RunState.RUNNING

    def _proof(self, run: KillRun) -> str:
        lines = [_state_in_words(run), *kill_lines(run)]
        return reply(self._views.title(run.in_words), lines).html

    def _existing(self, asked: Asked) -> Asked:
        scope_id = plain_scope_id(asked.scope, asked.scope_id)
        check_exists(self._store, asked.scope, scope_id)
        return asked._replace(scope_id=scope_id)

    def _ask(self, who: Recipient, incoming: Incoming, act: str, asked: Asked) -> Document:
        facts: Document = {
            "scope": str(asked.scope),
            "scope_id": asked.scope_id,
            "reason": asked.reason,
        }
        return self.questions.ask(incoming.chat_id, who.user, act, **facts)


_EXPIRES: Final = f"This question ends in {SECONDS:.0f} s."


def _yes_no(question: Document, yes: str) -> tuple[Button, ...]:
    nonce = question["_id"]
    return (Button(yes, f"{YES}:{nonce}"), Button("Cancel", f"{NO}:{nonce}"))


def _reason(asked: Asked, act: str) -> str:
    return asked.reason or f"{act} in Telegram without a reason"


def _state_in_words(run: KillRun) -> str:
    if run.state is RunState.DONE:
        return f"PROVEN by the broker in {run.took_seconds or 0:.1f} s."
    if run.state is RunState.RUNNING:
        return "Running; this message shows the proof as it comes."
    if run.state is RunState.INCOMPLETE:
        return "NOT PROVEN in time; execution goes on working on it."
    return f"{run.state}: {run.why}"
