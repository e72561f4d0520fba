"""Every setting is documented, and the environment, `.env` and the command line are read in the promised order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from bg_runner.settings import Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `BG_RUNNER_([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, tuple[str, str]]:
    """Name -> default and description as the page has them."""
    return {name.lower(): (default, text) for name, default, text in ROW.findall(PAGE.read_text(encoding="utf-8"))}


def test_the_page_lists_exactly_the_settings() -> None:
    assert sorted(documented()) == sorted(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_described_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    default, text = documented()[name]
    assert text == field.description
    if name == "data_dir":
        assert "`background_tasks`" in default
    elif field.default is None:
        assert default == "not set"
    elif isinstance(field.default, bool | list):
        assert default == f"`{json.dumps(field.default)}`"
    else:
        assert default == f"`{field.default}`"


def test_the_order_is_command_line_environment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BG_RUNNER_PORT=1001\nBG_RUNNER_LINK_TTL=61\nBG_RUNNER_LOGIN_TTL=62\n")
    monkeypatch.setenv("BG_RUNNER_PORT", "1002")
    monkeypatch.setenv("BG_RUNNER_LINK_TTL", "63")
    settings = load_settings(data_dir=tmp_path, port=1003)
    assert (settings.port, settings.link_ttl, settings.login_ttl) == (1003, 63, 62)


def test_the_data_directory_of_the_environment_has_its_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("BG_RUNNER_PORT=1001\n")
    monkeypatch.setenv("BG_RUNNER_DATA_DIR", str(tmp_path))
    settings = load_settings()
    assert (settings.data_dir, settings.port) == (tmp_path, 1001)


def test_zero_is_a_value_and_empty_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_RUNNER_KEEP_RUNS", "0")
    monkeypatch.setenv("BG_RUNNER_TOKEN", "")
    settings = load_settings(data_dir=tmp_path, port=0)
    assert (settings.keep_runs, settings.port, settings.token) == (0, 0, None)


def test_lists_are_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_RUNNER_ALLOWED_HOSTS", '["box.lan"]')
    assert load_settings(data_dir=tmp_path).allowed_hosts == ["box.lan"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "x"),
        ("TOKEN", "short"),
        ("PUBLIC_URL", "tasks.example"),
        ("MAX_CONCURRENT_RUNS", "0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"BG_RUNNER_{name}", value)
    with pytest.raises(ValidationError) as caught:
        load_settings(data_dir=tmp_path)
    assert [error["loc"] for error in caught.value.errors()] == [(name.lower(),)]
