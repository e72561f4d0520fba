"""Credentials: the owner's token, login cookies, one-time codes, the brake."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from bg_runner.errors import StartupError, TooMany
from bg_runner.web.auth import Brake, Door, OneTimeCodes, load_token

TOKEN = "a-token-of-the-owner"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_door(token: str = TOKEN, login_ttl: int = 3600) -> Door:
    return Door(token, port=8000, login_ttl=login_ttl, link_ttl=60, secure=False)


def test_a_token_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    token = load_token(tmp_path, None)
    assert len(token) >= 32
    assert load_token(tmp_path, None) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_given_token_is_not_written_down(tmp_path: Path) -> None:
    assert load_token(tmp_path, TOKEN) == TOKEN
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_token_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert len(load_token(tmp_path, None)) >= 32


def test_an_unreadable_token_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with pytest.raises(StartupError, match="token cannot be read"):
        load_token(tmp_path, None)


def test_a_code_works_once() -> None:
    codes = OneTimeCodes(60)
    code = codes.make()
    assert codes.redeem(code)
    assert not codes.redeem(code)


def test_a_code_expires() -> None:
    clock = Clock()
    codes = OneTimeCodes(60, clock)
    code, late = codes.make(), codes.make()
    clock.now += 59
    assert codes.redeem(code)
    clock.now += 2
    assert not codes.redeem(late)


@pytest.mark.parametrize("code", ["", "wrong", "\udc80", "é" * 1000])
def test_any_other_code_is_wrong(code: str) -> None:
    assert not OneTimeCodes(60).redeem(code)


def test_only_the_hash_of_a_code_is_kept() -> None:
    codes = OneTimeCodes(60)
    assert codes.make() not in repr(vars(codes))


def test_the_brake_lets_a_burst_through_then_one_a_second() -> None:
    clock = Clock()
    brake = Brake(burst=3, rate=1.0, clock=clock)
    for _ in range(3):
        assert brake.wait_of("a") == 0
        brake.failed("a")
    assert brake.wait_of("a") == pytest.approx(1.0)
    assert brake.wait_of("b") == 0
    clock.now += 1
    assert brake.wait_of("a") == 0


def test_the_right_token_opens_and_a_wrong_one_does_not() -> None:
    door = make_door()
    assert door.check_token(TOKEN, "1.2.3.4")
    assert not door.check_token(TOKEN + "x", "1.2.3.4")
    assert not door.check_token("", "1.2.3.4")


def test_guessing_is_slowed_down_but_only_for_that_address() -> None:
    door = make_door()
    for _ in range(20):
        assert not door.check_token("wrong", "1.2.3.4")
    with pytest.raises(TooMany) as caught:
        door.check_token(TOKEN, "1.2.3.4")
    assert 0 < caught.value.retry_after <= 1
    assert door.check_token(TOKEN, "5.6.7.8")


def test_a_cookie_is_good_for_this_token_only() -> None:
    cookie = make_door().new_cookie()
    assert make_door().check_cookie(cookie)
    assert not make_door("another-token-of-the-owner").check_cookie(cookie)


def test_a_cookie_of_another_port_is_refused() -> None:
    cookie = Door(TOKEN, port=9000, login_ttl=60, link_ttl=60, secure=False).new_cookie()
    assert not make_door().check_cookie(cookie)


@pytest.mark.parametrize("value", ["", "x", "a.b.c", TOKEN])
def test_a_made_up_cookie_is_refused(value: str) -> None:
    assert not make_door().check_cookie(value)


def test_a_changed_cookie_is_refused() -> None:
    door = make_door()
    payload, rest = door.new_cookie().split(".", 1)
    assert not door.check_cookie(f"{payload[:-1]}A.{rest}")


def test_an_old_cookie_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    door = make_door(login_ttl=60)
    cookie = door.new_cookie()
    assert door.check_cookie(cookie)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 62)
    assert not door.check_cookie(cookie), "remembered as good"
    assert not make_door(login_ttl=60).check_cookie(cookie), "seen for the first time"


def test_a_logout_ends_the_cookie() -> None:
    door = make_door()
    cookie, other = door.new_cookie(), door.new_cookie()
    assert door.check_cookie(cookie)
    door.end_cookie(cookie)
    assert not door.check_cookie(cookie)
    assert door.check_cookie(other)
