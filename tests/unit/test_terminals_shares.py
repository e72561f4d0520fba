"""Share links: kept as hashes, expiring, revocable, never more than their terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.errors import ShareUnknown
from bg_runner.terminals.shares import ShareStore
from bg_runner.web.caller import Caller, is_share_token, share_admits, share_named


def test_a_link_holds_until_it_is_revoked_and_after_a_restart(tmp_path: Path) -> None:
    store = ShareStore(tmp_path)
    share, secret = store.create("t1", "owner", "view", 60, "for Ann")
    assert secret not in (tmp_path / "shares.json").read_text()
    assert (tmp_path / "shares.json").stat().st_mode & 0o777 == 0o600
    again = ShareStore(tmp_path)
    assert again.check(share.id, secret) == share
    assert again.of_terminal("t1") == [share]
    with pytest.raises(ShareUnknown):
        again.revoke(share.id, "another terminal")
    again.revoke(share.id, "t1")
    assert again.check(share.id, secret) is None
    assert ShareStore(tmp_path).of_terminal("t1") == []


def test_wrong_secrets_and_expired_links_open_nothing(tmp_path: Path) -> None:
    store = ShareStore(tmp_path)
    share, secret = store.create("t1", "owner", "control", 60)
    assert store.check(share.id, secret + "x") is None
    assert store.check(share.id, "") is None
    assert store.check("nobody", secret) is None
    expired, old = store.create("t1", "owner", "view", 0)
    assert store.check(expired.id, old) is None
    assert store.of_terminal("t1") == [share]


def test_links_go_with_their_terminal(tmp_path: Path) -> None:
    store = ShareStore(tmp_path)
    store.create("t1", "owner", "view", 60)
    kept, _ = store.create("t2", "owner", "view", 60)
    store.forget_terminal("t1")
    assert [store.of_terminal("t1"), store.of_terminal("t2")] == [[], [kept]]


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "shares.json").write_text('[{"id": 5')
    assert ShareStore(tmp_path).of_terminal("t1") == []
    assert list(tmp_path.glob("shares.json.corrupt-*"))


def test_a_link_reaches_its_terminal_and_nothing_else(tmp_path: Path) -> None:
    share, secret = ShareStore(tmp_path).create("t1", "owner", "control", 60)
    assert is_share_token(f"{share.id}.{secret}")

    def admits(path: str, method: str = "GET", kind: str = "http") -> bool:
        return share_admits(Caller("cookie", "owner", share), {"type": kind, "method": method, "path": path})

    assert admits(f"/share/{share.id}")
    assert admits(f"/share/{share.id}/frame")
    assert admits("/api/terminals/t1")
    assert admits("/static/js/theme.js")
    assert admits("/api/v1/terminal/ws/t1", kind="websocket")
    for path in (
        "/",
        "/s/x",
        "/t/t1",
        "/api/terminals",
        "/api/terminals/t2",
        "/api/terminals/t1/output",
        "/api/terminals/t1/shares",
        "/api/background_task/runs",
        "/api/link",
        f"/share/{share.id}/../x",
        "/share/other",
    ):
        assert not admits(path), path
    assert not admits("/api/v1/terminal/ws/t2", kind="websocket")
    for method in ("POST", "DELETE", "PATCH", "PUT"):
        assert not admits("/api/terminals/t1", method)


@given(st.text())
def test_any_text_may_stand_in_an_address(text: str) -> None:
    is_share_token(text)
    share_named({"type": "http", "path": f"/share/{text}", "query_string": b""})
    share_named({"type": "http", "path": "/", "query_string": text.encode("utf-8", "replace")})
