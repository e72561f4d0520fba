"""Addresses of databases: which are taken, and that none is ever repeated."""

from __future__ import annotations

import contextlib
import logging
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.db.connect import parse_url
from bg_runner.db.engine import Database
from bg_runner.errors import DatabaseDown, StartupError
from bg_runner.settings import load_settings

SECRET = "geheim-s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pass@localhost:5432/ai_terminal",
        "postgres://user@[::1]/x",
        "postgresql+psycopg://user:p%40ss@db.example.org/x?sslmode=require",
        "postgresql:///x?host=%2Frun%2Fpostgresql",
    ],
)
def test_addresses_of_postgresql(url: str) -> None:
    assert parse_url(url).drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"mysql://u:{SECRET}@h/x",
        f"sqlite:///{SECRET}",
        f"postgresql+asyncpg://u:{SECRET}@h/x",
        f"postgresql://u:a@{SECRET}!@h/x",
        f"postgresql://u:a:{SECRET}@h:port/x",
    ],
)
def test_other_addresses_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StartupError) as caught:
        parse_url(url)
    assert "3cret" not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with contextlib.suppress(StartupError):
        assert parse_url(text).drivername == "postgresql+psycopg"


def test_a_password_is_neither_shown_nor_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"postgresql://somebody:{SECRET}@127.0.0.1:1/x"
    settings = load_settings(data_dir=tmp_path, database_url=url)
    database = Database(settings.database_url, tmp_path)
    with pytest.raises(DatabaseDown) as caught:
        database.run_blocking(lambda session: session.connection())
    assert not database.healthy()
    database.close()
    shown = f"{settings!r} {settings} {caught.value!r} {database.name} {database.engine!r} {caplog.text}"
    assert "refused" in caplog.text
    assert SECRET not in shown
