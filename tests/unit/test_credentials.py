"""Seals and sender lists, without a database."""

import stat

import pytest
from cryptography.fernet import Fernet

from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.signal_gateway.authentication import SENDERS, allowed_sender


@pytest.mark.parametrize(
    ("address", "senders", "allowed"),
    [
        ("1.2.3.4", (), True),
        ("1.2.3.4", ("1.2.3.4",), True),
        ("1.2.3.5", ("1.2.3.4",), False),
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("11.1.2.3", ("10.0.0.0/8", "1.2.3.4"), False),
        (SENDERS["TRADINGVIEW"][0], ("tradingview",), True),
        ("1.2.3.4", ("TRADINGVIEW",), False),
        ("::1", ("::1",), True),
        ("::1", ("10.0.0.0/8",), False),
        ("unknown", ("10.0.0.0/8",), False),
        ("1.2.3.4", ("not an address",), False),
    ],
)
def test_an_allow_list_has_addresses_networks_and_names(address, senders, allowed):
    assert allowed_sender(address, senders) is allowed


def vault(home, keys=""):
    return Vault(CommonSettings(mt_home=home, mt_secret_key=keys))


def test_the_key_of_a_machine_is_made_once_and_is_private(tmp_path):
    sealed = vault(tmp_path).seal("secret")
    assert "secret" not in sealed
    assert vault(tmp_path).open(sealed) == "secret"
    (file,) = (tmp_path / ".data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_can_be_changed(tmp_path):
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    sealed = vault(tmp_path, old).seal("secret")
    assert vault(tmp_path, f"{new}, {old}").open(sealed) == "secret"
    with pytest.raises(ConfigurationError, match="another key"):
        vault(tmp_path, new).open(sealed)
    assert not (tmp_path / ".data").exists()


def test_a_key_that_is_none_is_named_and_not_shown(tmp_path):
    with pytest.raises(ConfigurationError, match="MT_SECRET_KEY") as caught:
        vault(tmp_path, "hunter2").seal("x")
    assert "hunter2" not in str(caught.value)
