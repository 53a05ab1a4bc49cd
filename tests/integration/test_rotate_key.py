"""The sealing key changes under what runs: no secret is lost, and none needs the old key after."""

import pytest
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from scripts.launcher.home import REPOSITORY
from scripts.rotate_key import rotate
from services.common.broker_secrets import secrets_of, store_secret
from services.common.resealing import reseal, sealed_in
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.domain.errors import ConfigurationError

pytestmark = pytest.mark.servers
TOKEN = SecretStr("of a broker")


@pytest.fixture
def vault(connection):
    return Vault(CommonSettings(**connection))


@pytest.fixture
def key(connection):
    return connection["mt_home"] / ".data" / "secret.key"


@pytest.fixture
def filled(store, vault):
    """Secrets of each kind, where they are kept."""
    store["trading_accounts"].insert_one({"_id": "ZE-1", "broker": "ZERODHA"})
    store_secret(store, vault, "ZE-1", "access_token", TOKEN, by="olga")
    store["strategies"].insert_one(
        {"_id": "S", "credentials": [{"kind": "API_KEY"}, {"sealed": vault.seal("signing")}]}
    )
    store["users"].insert_one({"_id": "olga", "totp": {"secret": vault.seal("totp")}})
    store["notification_channels"].insert_one({"_id": "c", "sealed_url": vault.seal("tgram://x")})
    return store


def opened(store, vault):
    strategy = store["strategies"].find_one()
    return (
        secrets_of(store, vault, "ZE-1", environ={})["access_token"].get_secret_value(),
        vault.open(strategy["credentials"][1]["sealed"]),
        vault.open(store["users"].find_one()["totp"]["secret"]),
        vault.open(store["notification_channels"].find_one()["sealed_url"]),
    )


ALL = ("of a broker", "signing", "totp", "tgram://x")


def test_all_secrets_open_and_the_old_key_opens_none(filled, vault, key, capsys):
    old = Fernet(key.read_text().strip())
    rotate(filled, vault, by="olga", settling_seconds=0)
    assert "4 secrets are sealed with the new key" in capsys.readouterr().out
    assert opened(filled, vault) == ALL
    assert len(key.read_text().split()) == 1
    assert key.stat().st_mode & 0o077 == 0
    for name in ("trading_accounts", "strategies", "users", "notification_channels"):
        for row in filled[name].find():
            for _, sealed in sealed_in(row):
                with pytest.raises(InvalidToken):
                    old.decrypt(sealed.encode())
    told = filled["audit_log"].find_one({"what": "SEALING_KEY_ROTATED"})
    assert (told["by"], told["facts"]) == ("olga", {"secrets": 4})


def test_a_rotation_that_was_cut_short_is_completed(filled, vault, key):
    vault.add_key()
    keys = key.read_text().split()
    assert opened(filled, vault) == ALL  # a service in between needs both
    vault.add_key()
    assert key.read_text().split() == keys  # and no third is made
    rotate(filled, vault, by="olga", settling_seconds=0)
    assert key.read_text().split() == keys[:1]
    assert opened(filled, vault) == ALL


def test_a_secret_that_no_key_opens_keeps_all_keys(filled, vault, key):
    foreign = Fernet(Fernet.generate_key()).encrypt(b"?").decode()
    filled["users"].insert_one({"_id": "x", "totp": foreign})
    with pytest.raises(ConfigurationError, match="sealed with another key"):
        rotate(filled, vault, by="olga", settling_seconds=0)
    assert len(key.read_text().split()) == 2
    assert opened(filled, vault) == ALL


def test_a_secret_that_a_person_stores_meanwhile_is_kept(filled, vault, monkeypatch):
    real = Vault.open

    def slow(self, sealed):
        found = real(self, sealed)
        if found == TOKEN.get_secret_value():
            store_secret(filled, vault, "ZE-1", "access_token", SecretStr("newer"), by="olga")
        return found

    vault.add_key()
    monkeypatch.setattr(Vault, "open", slow)
    done = reseal(filled, vault)
    assert (done.changed, done.left) == (3, 1)
    assert opened(filled, vault)[0] == "newer"


def test_keys_of_the_setting_are_left_to_a_person(filled, vault, key, connection):
    first, second = Fernet.generate_key().decode(), key.read_text().strip()
    given = Vault(CommonSettings(**connection, mt_secret_key=f"{first},{second}"))
    rotate(filled, given, by="olga", settling_seconds=0)
    assert opened(filled, Vault(CommonSettings(**connection, mt_secret_key=first))) == ALL
    assert key.read_text().strip() == second


def test_whoever_seals_keeps_it_where_it_is_sealed_anew():
    """A new caller must be added to `SEALED_IN`, and here."""
    callers = {
        str(file.relative_to(REPOSITORY))
        for folder in ("services", "scripts")
        for file in (REPOSITORY / folder).rglob("*.py")
        if ".seal(" in file.read_text()
    }
    assert callers - {"services/common/resealing.py"} == {
        "services/common/broker_secrets.py",  # trading_accounts
        "services/common/notification_channels.py",  # notification_channels
        "services/dashboard_creator/profile.py",  # users
        "services/signal_gateway/credentials.py",  # strategies
    }
