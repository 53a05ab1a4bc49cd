"""Whoever we call outside must prove who they are, or is told nothing."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from services.common.apprise_urls import send
from services.common.outward import networks_of
from services.common.settings import REPOSITORY, CommonSettings, TelegramSettings
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError
from tests.support.execution_process import wait_until
from tests.support.impostor import impostor  # noqa: F401 - a fixture
from tests.support.telegram import telegram

HERE = networks_of("127.0.0.1")
TOKEN = "123456:a-token-of-a-bot"
#: What turns verification off, in the words of every library that we call with.
UNSAFE = re.compile(
    r"verify\s*=\s*False|CERT_NONE|_create_unverified|check_hostname\s*=\s*False|disable_ssl"
    r"|tlsAllowInvalid\w+\s*=|tlsInsecure\s*=|cert_reqs|InsecureRequestWarning"
)


def test_no_line_of_ours_turns_verification_off():
    sources = [
        file
        for folder in ("services", "brokers", "scripts")
        for file in (REPOSITORY / folder).rglob("*.py")
    ]
    assert len(sources) > 400
    found = [
        f"{file.relative_to(REPOSITORY)}: {line.strip()}"
        for file in sources
        for line in file.read_text(encoding="utf-8").splitlines()
        if UNSAFE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "option", ["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"]
)
def test_a_database_that_need_prove_nothing_is_refused(option, tmp_path):
    uri = f"mongodb://user:hidden@db.example.com/?tls=true&{option}=true"
    with pytest.raises(ConfigurationError, match=f"{option} would talk to whoever") as refused:
        Store.connect(CommonSettings(mt_home=tmp_path, mongodb_uri=uri))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://api.telegram.org", "http://127.0.0.1.example.com/"])
def test_the_token_of_the_bot_goes_over_tls_only(url):
    with pytest.raises(ValidationError, match="telegram_base_url"):
        TelegramSettings(telegram_base_url=url)


def test_a_database_that_is_an_impostor_is_told_nothing(impostor, tmp_path):  # noqa: F811
    port, heard, tried = impostor
    uri = f"mongodb://user:hidden@127.0.0.1:{port}/?tls=true&retryWrites=false"
    store = Store.connect(CommonSettings(mt_home=tmp_path, mongodb_uri=uri))
    try:
        with pytest.raises(TransientError, match="the database does not answer"):
            store.ping()
        tried.get(timeout=30)
    finally:
        store.close()
    assert [each for each in heard if each] == []


@pytest.mark.parametrize("url", ["jsons://127.0.0.1:{port}/", "mailtos://{mail}&mode=ssl"])
def test_a_hook_or_mail_server_that_is_an_impostor_is_told_nothing(impostor, url):  # noqa: F811
    port, heard, tried = impostor
    mail = f"user:hidden@example.com:{port}?smtp=127.0.0.1"
    with pytest.raises(TransientError, match="did not take it"):
        send(url.format(port=port, mail=mail), title="t", body="b", networks=HERE)
    tried.get(timeout=30)
    assert [each for each in heard if each] == []


@pytest.mark.servers
def test_a_telegram_that_is_an_impostor_is_told_nothing(impostor, connection):  # noqa: F811
    port, heard, tried = impostor
    more = {"telegram_bot_token": TOKEN, "telegram_base_url": f"https://127.0.0.1:{port}"}
    with telegram(connection, None, **more) as parts:

        def answer():
            return parts.health.report()["dependencies"]["telegram"]

        tried.get(timeout=30)
        wait_until(lambda: "Telegram is not reached" in answer()["detail"], lambda: str(answer()))
        assert not answer()["ok"]
    assert [each for each in heard if each] == []
