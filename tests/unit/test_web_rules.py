"""Where addresses lead, and which headers pass: the rules of the web server."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.settings import WebSettings
from services.web.__main__ import _names
from services.web.addresses import SERVICES, Target, target_of
from services.web.headers import host_is_known, to_client, to_service


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_reached_below_api_only(service: str) -> None:
    assert target_of(f"/api/{service}/v1/x/y") == Target(service, "/api/v1/x/y")


@given(st.text(st.sampled_from("/.%2eEfF5c\\apiv1webhooksdr_ng"), max_size=40))
def test_what_is_forwarded_stays_below_the_doors(tail: str) -> None:
    for start in ("/api/account_data/", "/webhook/", "/"):
        target = target_of(start + tail)
        if target is not None:
            assert target.path.startswith(("/api/", "/webhook", "/postback"))
            read = unquote(target.path)
            assert read.startswith(("/api/", "/webhook", "/postback"))
            assert not {"", ".."} & set(read.rstrip("/").split("/")[1:])


def test_an_id_keeps_its_bars_and_slashes() -> None:
    path = "v1/incidents/BOOKS_DIFFER%7CMock-1%2FBRK%2FB/acknowledge"
    found = target_of(f"/api/dashboard_creator/{path}")
    assert found == Target("dashboard_creator", f"/api/{path}")


def test_a_hop_s_headers_end_here() -> None:
    sent = [(b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"), (b"TE", b"trailers")]
    kept = [(b"Accept", b"*/*"), (b"Host", b"trader.example")]
    forwarded = [(b"X-Real-IP", b"6.6.6.6"), (b"Forwarded", b"for=6.6.6.6")]
    found = dict(to_service([*sent, *kept, *forwarded], address="203.0.113.9", scheme="https"))
    assert found == {
        b"Accept": b"*/*",
        b"Host": b"trader.example",
        b"accept-encoding": b"identity",
        b"x-forwarded-for": b"203.0.113.9",
        b"x-forwarded-proto": b"https",
        b"x-forwarded-host": b"trader.example",
    }
    assert to_client([(b"Transfer-Encoding", b"chunked"), (b"ETag", b"e")]) == [(b"ETag", b"e")]


@pytest.mark.parametrize(
    ("bind", "allowed", "host", "is_known"),
    [
        ("127.0.0.1", "", "127.0.0.1:5173", True),
        ("127.0.0.1", "", "[::1]:5173", True),
        ("127.0.0.1", "", "trader.example.com", False),
        ("127.0.0.1", "Trader.example.com, other", "trader.example.com", True),
        ("127.0.0.1", "*", "anything", True),
        ("0.0.0.0", "", "anything", True),
        ("0.0.0.0", "trader.example.com", "anything", False),
        ("0.0.0.0", "trader.example.com", "127.0.0.1:5173", True),
        ("10.0.0.5", "", "10.0.0.5:5173", True),
    ],
)
def test_names_by_which_browsers_may_ask(
    bind: str, allowed: str, host: str, is_known: bool
) -> None:
    settings = WebSettings(_env_file=None, mt_bind_host=bind, web_allowed_hosts=allowed)
    names = _names(settings)
    assert (names is None or host_is_known(host, names=names)) == is_known
