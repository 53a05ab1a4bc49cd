"""The strip of services never waits for one that hangs."""

from __future__ import annotations

import threading
import time

from services.dashboard_creator.service_strip import ServiceStrip
from services.dashboard_creator.system_models import ServiceRow


def test_the_last_answers_are_told_while_a_process_hangs():
    hangs, asked = threading.Event(), []

    def ask():
        asked.append(len(asked))
        if len(asked) > 1:
            hangs.wait(10)
        return [ServiceRow(name="cerebro", state="UP")]

    strip = ServiceStrip(ask, seconds=0)
    assert [row.name for row in strip()] == ["cerebro"]
    begun = time.monotonic()
    for _ in range(3):  # one question at a time, however many look
        assert [row.state for row in strip()] == ["UP"]
    assert time.monotonic() - begun < 5
    hangs.set()
    assert asked == [0, 1]
