"""A backup is of one moment and whole; what is restored of it is equal, halted, and behind."""

import gzip
import json
import shutil
import sqlite3
import threading
from contextlib import closing
from decimal import Decimal

import pytest

from scripts import backup, restore
from scripts.archive.dump import dump, load
from scripts.archive.instance import opened
from scripts.archive.manifest import DATABASE, Manifest, verified
from scripts.archive.sealing import seal, unseal
from scripts.launcher.home import Home
from scripts.launcher.ports import free_offset
from services.common.clock import utc_now
from services.common.controls import GLOBAL_CONTROL, set_control
from services.common.migrations import LAYOUT, check_layout, migrate, plan_of, refuse_services
from services.common.settings import CommonSettings
from services.common.settings_file import known_names
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.domain.words import Scope, TradingState
from tests.support.execution_process import wait_until

pytestmark = pytest.mark.servers
PASSPHRASE = "correct horse battery"


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """An instance that is stopped: its settings."""
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "mt"
    home.mkdir()
    (home / ".env").write_text("LOG_LEVEL=WARNING\n")
    monkeypatch.setenv("MT_HOME", str(home))
    monkeypatch.setenv("MT_PORT_OFFSET", str(free_offset()))
    monkeypatch.setenv("MT_BACKUP_PASSPHRASE", PASSPHRASE)
    return CommonSettings()


def contents(store):
    left_out = {"leases", "audit_log", "layout", "sessions", "controls"}
    names = set(store.database.list_collection_names()) - left_out
    return {name: list(store[name].find().sort("_id", 1)) for name in names}


def test_an_instance_that_is_lost_is_there_again(instance, tmp_path, capsys):
    home = Home.from_environment()
    sealed = Vault(instance).seal("of a broker")
    with opened(instance, home) as store:
        migrate(store, by="test")
        store["positions"].insert_one({"_id": "p", "quantity": Decimal("45.3210"), "at": utc_now()})
        store["trading_accounts"].insert_one({"_id": "IB-1", "secrets": {"x": sealed}})
        store["sessions"].insert_one({"_id": "s", "user": "olga"})
        before = contents(store)
    (home.root / ".data" / "mock_broker").mkdir()
    with closing(sqlite3.connect(home.root / ".data/mock_broker/books.sqlite3")) as books:
        books.execute("CREATE TABLE held (quantity TEXT)")
        books.execute("INSERT INTO held VALUES ('45.3210')")
        books.commit()

    assert backup.main([str(tmp_path / "kept")]) == 0
    (folder,) = (tmp_path / "kept").iterdir()
    assert backup.main(["--verify", str(folder)]) == 0
    every_byte = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
    assert (home.root / ".data/secret.key").read_bytes().strip() not in every_byte

    assert restore.main([str(folder)]) == 1  # nothing is overwritten
    assert "has .data/mongodb and .data/secret.key and .env" in capsys.readouterr().err
    shutil.rmtree(home.root)
    home.root.mkdir()
    assert restore.main([str(folder)]) == 0
    assert (home.root / ".env").read_text() == "LOG_LEVEL=WARNING\n"
    with opened(instance, home) as store:
        assert contents(store) == before
        assert store["sessions"].count_documents({}) == 0
        control = store["controls"].find_one({"_id": GLOBAL_CONTROL})
        assert control["trading_state"] == "HALTED"
        assert "restored from the backup of" in control["reason"]
        assert plan_of(store).is_empty
        assert Vault(instance).open(store["trading_accounts"].find_one()["secrets"]["x"]) == (
            "of a broker"
        )
    with closing(sqlite3.connect(home.root / ".data/mock_broker/books.sqlite3")) as books:
        assert books.execute("SELECT quantity FROM held").fetchall() == [("45.3210",)]


def test_a_backup_of_what_runs_is_of_one_moment(store, tmp_path):
    """Money goes from one row to another in transactions: no backup has it twice, or not at all."""
    store["funds"].insert_one({"_id": "a", "cash": 1000})
    store["strategies"].insert_one({"_id": "b", "cash": 0})
    store["cash_flows"].insert_many({"_id": n, "words": "x" * 200} for n in range(3000))
    stopped = threading.Event()
    moved = []

    def move():
        while not stopped.is_set():

            def work(session):
                store["funds"].update_one({"_id": "a"}, {"$inc": {"cash": -1}}, session=session)
                store["strategies"].update_one({"_id": "b"}, {"$inc": {"cash": 1}}, session=session)

            store.transaction(work)
            moved.append(1)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        wait_until(lambda: len(moved) > 3, "nothing moves")
        began = len(moved)
        counts = dump(store, tmp_path, embedded=True)
        assert len(moved) > began  # and it held nothing up
    finally:
        stopped.set()
        thread.join()
    assert counts["cash_flows"] == 3000
    for name in ("funds", "strategies", "cash_flows"):
        store[name].delete_many({})
    load(store, tmp_path, but=frozenset(counts) - {"funds", "strategies"})
    cash = [store[name].find_one()["cash"] for name in ("funds", "strategies")]
    assert sum(cash) == 1000
    assert cash[0] < 1000


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_damaged_backup_is_not_restored(tmp_path, harm):
    folder = tmp_path / "b"
    (folder / DATABASE).mkdir(parents=True)
    file = folder / DATABASE / "orders.bson.gz"
    file.write_bytes(gzip.compress(b""))
    backup.write_manifest(
        folder,
        Manifest(
            taken_at=utc_now(),
            database="x",
            layout=LAYOUT,
            documents={"orders": 0},
            files=backup.checksums(folder),
        ),
    )
    assert verified(folder).documents == {"orders": 0}
    if harm == "changed":
        file.write_bytes(file.read_bytes() + b"\0")
    elif harm == "missing":
        file.unlink()
    else:
        (folder / DATABASE / "controls.bson.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(ConfigurationError, match="is damaged, and nothing was restored"):
        verified(folder)


def test_keys_open_with_their_passphrase_only():
    sealed = seal({".env": "A=1"}, PASSPHRASE)
    assert unseal(sealed, PASSPHRASE) == {".env": "A=1"}
    with pytest.raises(ConfigurationError, match="does not open the keys"):
        unseal(sealed, PASSPHRASE + "!")
    with pytest.raises(ConfigurationError, match="at least 12 characters, had 5"):
        seal({}, "short")


def test_no_service_starts_on_half_a_restore(store):
    refuse_services(store)
    with pytest.raises(ConfigurationError, match="a restore of this database was cut short"):
        check_layout(store)


def test_books_behind_the_broker_are_found_and_held(open_trade, tmp_path):
    """What was traded after the backup is at the broker only: told, booked, and entries stopped."""
    desk = open_trade()
    desk.start().opens(*desk.accounts)
    known = desk.add(1)
    desk.ring(known)
    desk.becomes(known, "FILLED")
    folder = tmp_path / "kept"
    (folder / DATABASE).mkdir(parents=True)
    documents = dump(desk.store, folder / DATABASE, embedded=True)
    later = desk.add(2)
    desk.ring(later)
    desk.becomes(later, "FILLED")
    desk.kill_all()

    client, name = desk.store.client, desk.store.database.name
    client.drop_database(name)
    made = Manifest(taken_at=utc_now(), database=name, layout=LAYOUT, documents=documents, files={})
    restore.restore(desk.store, folder, made)
    assert desk.store["orders"].find_one({"_id": later.client_order_id}) is None

    desk.start().opens(*desk.accounts)
    wait_until(lambda: desk.incidents(kind="FOREIGN_HAND"), "nobody finds what the broker has")
    account = desk.accounts[0]
    stopped = desk.store["controls"].find_one({"scope_id": account})
    assert (stopped["trading_state"], stopped["set_by"]) == ("HALTED", "execution")
    # A person resumes all of it, and that account is still held by its own switch.
    set_control(
        desk.store,
        Scope.GLOBAL,
        by="olga",
        reason="compared",
        trading_state=TradingState.ACTIVE,
    )
    entry = desk.add(3)
    desk.ring(entry)
    refused = desk.becomes(entry, "DENIED")
    assert "HALTED" in json.dumps(refused["events"], default=str)
    assert desk.sent(entry) == 0
    assert desk.sent(later) == 1
    ours = sum(row["quantity"] for row in desk.store["positions"].find({"open": True}))
    (held,) = desk.broker.get(account, "positions")
    assert ours == Decimal(str(held["quantity"]))
