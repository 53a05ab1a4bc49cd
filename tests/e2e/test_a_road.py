"""One posted signal becomes one booked fill, seen from the outside; runs before the kills."""

import time
from decimal import Decimal

import pytest
import urllib3

from tests.e2e.instance import REPOSITORY, listening
from tests.support.execution_process import wait_until
from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers
SIGNALS = REPOSITORY.parent / "shared" / "signals"


def signal(number, signal_type="ENTRY", side="BUY", price=150, **changes):
    leg = {
        "instrument": "AAPL",
        "instrument_type": "STOCK",
        "action": side,
        "quantity": 10,
        "order_type": "MARKET",
        "price": price,
    }
    return {
        "signalID": f"road-{number}",
        "signal_type": signal_type,
        "account_equity": 500000,
        "signal_legs": [leg | changes],
    }


@pytest.fixture(scope="module")
def round_trip(instance):
    """Bought and sold again, before anything else in this file: the lives of both signals."""
    entry_id = instance.post(signal(1), STRATEGY)
    entry = instance.ended(entry_id, STRATEGY)
    leaving = signal(2, "EXIT", "SELL", "152.35") | {"entry_signal_id": entry_id}
    return entry, instance.ended(instance.post(leaving, STRATEGY), STRATEGY)


def test_entry_and_exit_to_the_cent(instance, round_trip):
    entry, done = round_trip
    # equity 1,000,000 × 0.50 allocated / 500,000 × 10 shares
    assert [order["filled_quantity"] for order in entry["orders"]] == ["10"]
    assert done["status"] == "COMPLETED"
    assert [order["avg_fill_price"] for order in done["orders"]] == ["152.35"]

    # the broker's own books: 1,000,000 − 10 × 150 + 10 × 152.35 − 2 × 1.00 commission
    state = instance.get("mock_broker", "/v1/accounts/Mock-1/state")
    assert Decimal(state["cash"]) == Decimal("1000021.50")
    assert [Decimal(p["quantity"]) for p in broker_positions(instance)] in ([], [Decimal(0)])
    orders = instance.broker_orders("Mock-1")
    assert sorted(order["side"] for order in orders) == ["BUY", "SELL"]

    # ours: P&L (152.35 − 150) × 10 gross, commissions beside it, nothing held back
    with_store = instance.store()
    (position,) = with_store["positions"].find({"account_id": "Mock-1"})
    assert position["quantity"] == 0
    assert position["realized_pnl"] == Decimal("23.50")
    assert position["commissions"] == Decimal("2.00")
    assert with_store["reservations"].count_documents({}) == 0
    with_store.close()


def test_one_trace_goes_from_the_door_to_the_fill(round_trip, traces):
    """Through four processes; each span is a child of the first, and they follow one another."""
    signal_id = round_trip[0]["signal_id"]
    road = [
        ("signal_gateway", "RECEIVED"),
        ("signal_ingestion", "STANDARDIZED"),
        ("cerebro", "DECISION"),
        ("execution", "SUBMITTING"),
        ("execution", "FILLED"),
    ]

    def there():
        return [each for each in traces.of(signal_id) if (each["service"], each["name"]) in road]

    wait_until(lambda: len(there()) == len(road), lambda: traces.of(signal_id))
    spans = {(each["service"], each["name"]): each for each in there()}
    assert spans.keys() == set(road)
    root = spans[road[0]]
    assert "parentSpanId" not in root
    assert {spans[step]["parentSpanId"] for step in road[1:]} == {root["spanId"]}
    decision = spans[("cerebro", "DECISION")]
    assert int(decision["startTimeUnixNano"]) < int(decision["endTimeUnixNano"])
    assert {each["traceId"] for each in traces.of(signal_id)} == {root["traceId"]}


def broker_positions(instance):
    return instance.get("mock_broker", "/v1/accounts/Mock-1/positions")


def test_the_page_of_json_shows_it(instance, round_trip):
    page = instance.get("dashboard_creator", "/api/v1/dashboard")
    assert "AAPL" in str(page)
    signal_id = instance.post(signal(1), STRATEGY)
    assert signal_id == round_trip[0]["signal_id"]  # a repeat: the same answer
    shown = instance.get("dashboard_creator", f"/api/v1/signals/{signal_id}")
    assert "10 AAPL" in shown["sentence"]


@pytest.mark.usefixtures("round_trip")
def test_account_data_shows_equity_with_its_age(instance):
    until = time.monotonic() + 15
    while True:
        account = instance.get("account_data", "/api/v1/accounts/Mock-1", instance.operator_key)
        if Decimal(account["equity"]) == Decimal("1000021.50"):
            break
        assert time.monotonic() < until, account
        time.sleep(0.2)
    assert 0 <= float(account["age_s"]) < 30


def test_bad_input_is_refused_with_code_and_sentence(instance):
    url = instance.url("signal_gateway", "/api/v1/signals")
    answer = urllib3.request("POST", url, body=b"{", headers={})
    assert (answer.status, answer.json()["code"]) == (400, "BROKEN_JSON")


def test_poison_in_the_raw_collection_is_shown_and_the_next_flow_on(instance):
    with_store = instance.store()
    with_store["trading_signals_raw"].insert_one({"strategy_name": STRATEGY, "signal": "AAPL"})
    with_store.close()
    life = instance.ended(instance.post(signal(3, instrument="MSFT"), STRATEGY), STRATEGY)
    assert life["status"] == "COMPLETED"
    shown = instance.get("dashboard_creator", "/api/v1/quarantine")
    assert "UNKNOWN_VALUE" in str(shown)


def test_status_says_all_is_well(instance):
    instance.wait_well()
    assert instance.run("status.py").returncode == 0


def test_logs_are_in_the_two_formats(instance):
    road = (instance.home / "logs" / "signal_processing.log").read_text().splitlines()
    assert any(" | [CEREBRO] | sig_" in line and " | DECISION | " in line for line in road)
    service = (instance.home / "logs" / "cerebro.log").read_text().splitlines()
    assert service[0].startswith("|INFO|")
    assert "|file:" in service[0]
    everything = "".join(path.read_text() for path in (instance.home / "logs").glob("*.*"))
    assert not any(key in everything for key in instance.keys.values())


@pytest.mark.parametrize(
    "path",
    sorted(SIGNALS.glob("*.json")) or [None],
    ids=lambda path: path.stem if path else "none",
)
def test_every_signal_file_reaches_a_decision(instance, path):
    if path is None:
        pytest.skip(f"{SIGNALS} is not here: the signal files of the field lie beside the checkout")
    keys = [f"--key={name}={key}" for name, key in instance.keys.items()]
    ended = instance.run(
        "send_signal.py",
        str(path),
        f"--url={instance.url('signal_gateway')}",
        "--follow",
        "--no-wait",
        "--timeout=90",
        *keys,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    accepted = [line for line in ended.stdout.splitlines() if "accepted" in line]
    outcomes = [line for line in ended.stdout.splitlines() if line.startswith("   ")]
    assert accepted
    assert len(outcomes) == len(accepted)
    decided = ("APPROVED", "RESIZED", "DENIED")
    assert all(any(word in line for word in decided) for line in outcomes), ended.stdout


def test_a_second_start_is_refused_and_changes_nothing(instance):
    ended = instance.run("start.py", "--no-ui")
    assert ended.returncode != 0
    assert "stop.py" in ended.stderr
    ports = {instance.settings.port("signal_gateway"), instance.settings.port("mongodb")}
    assert listening(ports) == sorted(ports)
