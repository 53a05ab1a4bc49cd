"""Thousands of payloads, valid, mutated and hostile: each is stored once or refused by name."""

import itertools
import logging
import os

import pytest

from services.common.credentials import CredentialKind
from services.common.leases import Lease
from services.common.settings import CommonSettings
from services.common.store import Store
from services.signal_ingestion.service import Ingestion
from tests.support.gateway import gateway, post
from tests.support.payloads import generate
from tests.support.rows import STRATEGY, SilentPublisher, add_credential, add_strategy
from tests.support.servers import start_database

pytestmark = pytest.mark.servers
#: 20,000 of them take five minutes, which a run of everything does not have.
COUNT = int(os.environ.get("HOSTILE_PAYLOADS", "1000"))
SEED = 20261121


@pytest.fixture
def store(tmp_path):
    """A database of its own: dropping one so full takes longer than ending it."""
    with start_database(tmp_path) as server:
        settings = CommonSettings(mongodb_uri=server.address, mongodb_database="hostile")
        opened = Store.connect(settings)
        opened.create_indexes()
        yield opened
        opened.close()


def test_every_payload_is_stored_once_or_refused_by_name(store, caplog):
    caplog.set_level(logging.WARNING)
    key = add_strategy(store)
    token = add_credential(store, CredentialKind.WEBHOOK_TOKEN)
    doors = itertools.cycle(["/api/v1/signals", f"/webhook/{token}"])
    stored, codes = set(), {}
    with gateway(store) as client:
        for body, path in zip(generate(SEED, COUNT, strategy=STRATEGY), doors, strict=False):
            answer = post(client, body, key, path=path)
            assert answer.status_code < 500, (body[:300], answer.text)
            for result in results_of(answer):
                if "signal_id" in result:
                    stored.update(filter(None, (result["signal_id"], result["exit_signal_id"])))
                else:
                    assert result["message"].isprintable()
                    codes[result["code"]] = codes.get(result["code"], 0) + 1
    assert len(stored) > COUNT // 10, codes
    assert len(codes) > 10, codes
    assert "UNREADABLE" not in codes

    raws = list(store["trading_signals_raw"].find())
    named = [name for raw in raws if "refused" not in raw for name in raw["signal_ids"]]
    assert len(named) == len(set(named))
    assert set(named) == stored

    lease = Lease(store, "signal_ingestion", ttl_seconds=60)
    ingestion = Ingestion(store, SilentPublisher(), lease, overlap_seconds=60, catch_up_seconds=60)
    ingestion.catch_up(None)
    lives = {life["_id"]: life for life in store["signal_store"].find()}
    assert {name for name, life in lives.items() if "signal" in life} == stored
    kept = [life["quarantine"] for life in lives.values() if "quarantine" in life]
    assert len(kept) == sum("refused" in raw for raw in raws)
    assert not [record for record in caplog.records if record.exc_info], "an exception in a log"
    assert all(life["strategy_id"] == STRATEGY for life in lives.values())


def results_of(answer):
    said = answer.json()
    return said.get("results", [said])
