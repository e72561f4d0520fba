"""Secrets: kept apart by workspace, closed to others, hidden in every text."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.errors import InvalidField
from bg_runner.tasks.secrets import HIDDEN, SecretStore, mask, mask_beginnings


def test_set_replace_delete(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    store.set("a", "TOKEN", "one")
    store.set("a", "TOKEN", "zwei ü")
    store.set("a", "OTHER", "x")
    store.set("b", "TOKEN", "of b")

    again = SecretStore(tmp_path)
    assert again.names("a") == ["OTHER", "TOKEN"]
    assert again.values("a") == {"TOKEN": "zwei ü", "OTHER": "x"}
    assert again.delete("a", "TOKEN")
    assert not again.delete("a", "TOKEN")
    assert again.names("a") == ["OTHER"]
    assert again.values("b") == {"TOKEN": "of b"}
    assert again.names("unknown") == []


def test_files_are_closed_to_others_and_do_not_name_the_workspace(tmp_path: Path) -> None:
    SecretStore(tmp_path).set("../../workspace", "TOKEN", "one")
    (path,) = (tmp_path / "secrets").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "workspace" not in path.name


@pytest.mark.parametrize(
    ("name", "value"),
    [("1x", "v"), ("a-b", "v"), ("", "v"), ("x" * 65, "v"), ("X", ""), ("X", "a\0b"), ("X", "v" * 70_000)],
)
def test_bad_names_and_values(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidField):
        SecretStore(tmp_path).set("a", name, value)
    assert SecretStore(tmp_path).names("a") == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"A": 1}', b"\xff"])
def test_an_unreadable_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    store = SecretStore(tmp_path)
    store.set("a", "TOKEN", "one")
    (path,) = (tmp_path / "secrets").iterdir()
    path.write_bytes(content)
    assert store.names("a") == []
    store.set("a", "NEW", "two")
    aside = [other for other in path.parent.iterdir() if ".corrupt-" in other.name]
    assert [other.read_bytes() for other in aside] == [content]


@given(st.text(max_size=20), st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_is_left(before: str, secret: str, after: str) -> None:
    secret = secret.encode(errors="replace").decode()
    for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        masked = mask(f"{before}{form}{after}", [secret, ""])
        assert HIDDEN in masked
        assert form in HIDDEN or form not in masked.replace(HIDDEN, "\0")


def test_longer_secrets_go_first_and_beginnings_too() -> None:
    assert mask("abcdef abc", ["abc", "abcdef"]) == f"{HIDDEN} {HIDDEN}"
    assert mask_beginnings("typed pass, typed pa", ["password"]) == f"typed {HIDDEN}, typed pa"
