"""The seeds' names in `.env` and `terminal_config.json`: their units, who wins, and what a wrong value says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bg_runner.errors import StartupError
from bg_runner.settings import load_settings

# As seed 000 prints it, comments included.
SEED_000 = """{
  "session_timeout": 3600,  // 1小时（秒）
  "buffer_size": 5000         // 缓冲区大小（行）
}
"""


def test_the_config_file_of_seed_000_is_read(tmp_path: Path) -> None:
    (tmp_path / "terminal_config.json").write_text(SEED_000, encoding="utf-8")
    settings = load_settings(data_dir=tmp_path)
    assert (settings.session_timeout, settings.buffer_size) == (3600, 5000)


def test_the_names_of_seed_001_are_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "PORT=3001\nHOST=localhost\nSESSION_TIMEOUT=86400000\nCORS_ORIGIN=https://a.example, http://b.example:3000\n"
        "NODE_ENV=development\n"
    )
    settings = load_settings(data_dir=tmp_path)
    assert (settings.port, settings.host, settings.session_timeout) == (3001, "localhost", 86400)
    assert settings.cors_origin == "https://a.example, http://b.example:3000"


def test_each_source_wins_over_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, env = tmp_path / "terminal_config.json", tmp_path / ".env"
    config.write_text('{"session_timeout": 1, "buffer_size": 1000}')
    assert load_settings(data_dir=tmp_path).session_timeout == 1
    env.write_text("SESSION_TIMEOUT=2000\n")
    assert load_settings(data_dir=tmp_path).session_timeout == 2
    env.write_text("SESSION_TIMEOUT=2000\nBG_RUNNER_SESSION_TIMEOUT=3\n")
    assert load_settings(data_dir=tmp_path).session_timeout == 3
    monkeypatch.setenv("BG_RUNNER_SESSION_TIMEOUT", "4")
    assert load_settings(data_dir=tmp_path).session_timeout == 4
    assert load_settings(data_dir=tmp_path, session_timeout=5).session_timeout == 5
    assert load_settings(data_dir=tmp_path).buffer_size == 1000


def test_the_environment_has_the_seeds_names_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "3001")
    monkeypatch.setenv("HOST", "build-machine")
    settings = load_settings(data_dir=tmp_path)
    assert (settings.port, settings.host) == (8000, "127.0.0.1")


def test_an_overruled_value_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=never\nBG_RUNNER_PORT=1001\n")
    assert load_settings(data_dir=tmp_path).port == 1001


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("terminal_config.json", '{"session_timeout": 0}', "session_timeout"),
        ("terminal_config.json", '{"session_timeout": "a week"}', "session_timeout"),
        ("terminal_config.json", '{"session_timeout": true}', "session_timeout"),
        ("terminal_config.json", '{"session_timeout": Infinity}', "session_timeout"),
        ("terminal_config.json", '{"buffer_size": 5000.5}', "buffer_size"),
        ("terminal_config.json", '{"buffer_size": 1e9}', "buffer_size"),
        ("terminal_config.json", '{"bufer_size": 5000}', "bufer_size"),
        ("terminal_config.json", '{"buffer_size": 5000', "not JSON"),
        ("terminal_config.json", "[" * 100_000, "not JSON"),
        ("terminal_config.json", "[5000]", "not a JSON object"),
        (".env", "SESSION_TIMEOUT=a week\n", "SESSION_TIMEOUT"),
        (".env", "SESSION_TIMEOUT=-1\n", "SESSION_TIMEOUT"),
        (".env", "SESSION_TIMEOUT=nan\n", "SESSION_TIMEOUT"),
        (".env", "PORT=65536\n", "PORT"),
        (".env", "CORS_ORIGIN=example.org\n", "CORS_ORIGIN"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path: Path, file: str, text: str, name: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(StartupError) as caught:
        load_settings(data_dir=tmp_path)
    assert str(tmp_path / file) in caught.value.message
    assert name in caught.value.message
    assert caught.value.hint


def test_a_config_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "terminal_config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(StartupError, match="cannot be read"):
        load_settings(data_dir=tmp_path)
