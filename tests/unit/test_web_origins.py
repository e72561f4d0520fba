"""Host and Origin: which names a request may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from bg_runner.errors import HostRefused, OriginRefused
from bg_runner.settings import Settings, load_settings
from bg_runner.web.origins import Origins, is_loopback, split_host


def settings(tmp_path: Path, **given: object) -> Settings:
    return load_settings(data_dir=tmp_path, **given)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1", "localhost."]
)
def test_loopback_names_are_ours(tmp_path: Path, host: str) -> None:
    Origins(settings(tmp_path)).check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.5",
        "[::2]",
        "localhost:port",
        "[::1",
        "user@localhost",
        ":8000",
        "localhost:80:80",
    ],
)
def test_other_names_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(HostRefused):
        Origins(settings(tmp_path)).check_host(host)


def test_settings_add_names(tmp_path: Path) -> None:
    origins = Origins(settings(tmp_path, public_url="https://tasks.example", allowed_hosts=["box.lan", "other.lan:81"]))
    for host in ("tasks.example", "box.lan:8000", "other.lan:81"):
        origins.check_host(host)
    with pytest.raises(HostRefused):
        origins.check_host("other.lan:82")


def test_addresses_are_ours_only_when_others_can_reach_us(tmp_path: Path) -> None:
    origins = Origins(settings(tmp_path, host="0.0.0.0", behind_proxy=True))
    origins.check_host("192.168.1.7:8000")
    origins.check_host("[fe80::1]:8000")
    with pytest.raises(HostRefused):
        origins.check_host("evil.example:8000")


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("http://localhost:8000", True),
        ("http://LOCALHOST:8000", True),
        ("http://localhost:3000", False),
        ("https://localhost:8000", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_must_be_exact(tmp_path: Path, origin: str, good: bool) -> None:
    origins = Origins(settings(tmp_path))
    if good:
        origins.check_origin(origin, scheme="http", host="localhost:8000", fetch_site="")
    else:
        with pytest.raises(OriginRefused):
            origins.check_origin(origin, scheme="http", host="localhost:8000", fetch_site="")


def test_a_form_of_our_own_page_says_null_and_same_origin(tmp_path: Path) -> None:
    origins = Origins(settings(tmp_path))
    origins.check_origin("null", scheme="http", host="localhost:8000", fetch_site="same-origin")
    for site in ("same-site", "cross-site", "none"):
        with pytest.raises(OriginRefused):
            origins.check_origin("null", scheme="http", host="localhost:8000", fetch_site=site)


def test_the_public_origin_counts_behind_a_proxy(tmp_path: Path) -> None:
    origins = Origins(settings(tmp_path, public_url="https://tasks.example/"))
    for host in ("tasks.example", "127.0.0.1:8000"):
        origins.check_origin("https://tasks.example", scheme="http", host=host, fetch_site="")
    with pytest.raises(OriginRefused):
        origins.check_origin("http://tasks.example", scheme="http", host="tasks.example", fetch_site="")


def test_a_default_port_is_not_written(tmp_path: Path) -> None:
    origins = Origins(settings(tmp_path))
    origins.check_origin("https://localhost", scheme="https", host="localhost:443", fetch_site="")
    origins.check_origin("http://localhost", scheme="http", host="localhost:80", fetch_site="")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),
        ("::", False),
        ("box", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_split_host() -> None:
    assert split_host("Box.LAN:81") == ("box.lan", "81")
    assert split_host("[::1]:81") == ("[::1]", "81")
