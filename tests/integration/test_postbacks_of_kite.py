"""The fake Kite posts back to our own door, with its own checksum, and execution is rung."""

import pytest
from pydantic import SecretStr

from services.common.broker_secrets import store_secret
from services.common.problems import add_problems
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.postback_api import Postbacks, add_postback_routes
from tests.support.benches.zerodha import ZerodhaBench
from tests.support.broker_orders import limit
from tests.support.desks import wait_for
from tests.support.http import http_client
from tests.support.rows import add_account
from tests.support.servers import start_fake

pytestmark = pytest.mark.servers


class Posting(ZerodhaBench):
    """A fake Kite that posts each change of an order to `url`."""

    url = ""

    def process(self):
        ports = {"port": self._port, "control_port": self._control_port}
        return start_fake("kite", self._path, **ports, options=("--postback-url", self.url))


@pytest.fixture
def door(store, connection, publisher):
    """The gateway's door for postbacks; its address."""
    from fastapi import FastAPI

    add_account(store, "ZE-1", broker="ZERODHA", account_type="LIVE", connection={"api_key": "k"})
    vault = Vault(CommonSettings(**connection))
    store_secret(store, vault, "ZE-1", "api_secret", SecretStr("kitesecret"), by="olga")
    app = FastAPI()
    add_problems(app)
    add_postback_routes(app, Postbacks(store, vault, RateLimits(store, {}), publisher))
    with http_client(app) as http:
        yield f"{http.base_url}/postback/zerodha/ZE-1".replace("//postback", "/postback")


def test_what_kite_posts_is_genuine_and_rings(door, publisher, tmp_path):
    bench = Posting(tmp_path)
    bench.url = door
    try:
        bench.begin()
        broker = bench.connected(timeout_seconds=10)
        order = limit(1, "140")
        broker.place_order(order)
        broker.cancel_order(order)
        wait_for(lambda: publisher.rung)
        _, key, fields = publisher.rung[0]
        assert (key, fields["client_order_id"]) == ("ZE-1", order.client_order_id)
        bench.end()
    finally:
        bench.stop()
