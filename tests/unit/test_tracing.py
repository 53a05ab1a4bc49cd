"""Traces: the same one for a signal in every process, and nothing waits for the collector."""

import logging
from datetime import UTC, datetime, timedelta

from services.common.tracing import Traces, span_of
from tests.support.collector import start_collector
from tests.support.execution_process import wait_until
from tests.support.servers import free_port


def line(stage, signal_id, began_at=None, **facts):
    record = logging.LogRecord("signal_processing", logging.INFO, "f", 1, stage, None, None)
    record.__dict__.update(signal_id=signal_id, facts=facts, began_at=began_at)
    return record


def test_a_signal_has_one_trace_wherever_it_is_seen():
    first, later, other = (
        span_of(line("RECEIVED", "sig_1")),
        span_of(line("FILLED", "sig_1", price=150)),
        span_of(line("RECEIVED", "sig_2")),
    )
    assert first["traceId"] == later["traceId"] != other["traceId"]
    assert later["parentSpanId"] == first["spanId"] != other["spanId"]
    assert (len(first["traceId"]), len(first["spanId"])) == (32, 16)
    assert {"key": "price", "value": {"stringValue": "150"}} in later["attributes"]


def test_a_span_lasts_since_what_it_ends_began():
    record = line("DECISION", "sig_1", began_at=datetime.now(UTC) - timedelta(seconds=2))
    span = span_of(record)
    lasted = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
    assert 1_900_000_000 < lasted < 3_000_000_000
    ahead = span_of(line("DECISION", "sig_1", began_at=datetime.now(UTC) + timedelta(seconds=9)))
    assert ahead["startTimeUnixNano"] == ahead["endTimeUnixNano"]


def test_spans_arrive_and_what_waits_at_the_end_is_sent():
    with start_collector() as collector:
        traces = Traces("cerebro", collector.url)
        for number in range(300):
            traces.emit(line("DECISION", f"sig_{number}"))
        traces.close()
        assert all(len(collector.of(f"sig_{number}")) == 1 for number in range(300))
        assert collector.of("sig_7")[0]["service"] == "cerebro"


def test_a_collector_that_is_away_costs_a_warning_and_nothing_else(caplog):
    traces = Traces("cerebro", f"http://127.0.0.1:{free_port()}/v1/traces")
    for number in range(20_000):  # more than may wait
        traces.emit(line("DECISION", f"sig_{number}"))
    wait_until(lambda: "traces are lost" in caplog.text, "nobody says so")
    wait_until(traces._waiting.empty, "it never gives up")
    traces.close()
    assert caplog.text.count("traces are lost") == 1
