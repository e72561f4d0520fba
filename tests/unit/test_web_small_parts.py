"""Pieces of the web layer that need no server: the workspace of a request, redirects, the log's cuts, the checks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from bg_runner.errors import CwdMissing, InvalidField, InvalidSession, SessionMissing, ShellMissing, UrlRefused
from bg_runner.settings import load_settings
from bg_runner.tasks.models import TaskListAdapter
from bg_runner.web.asgi_routes import presentable
from bg_runner.web.session import session_of
from bg_runner.web.task_checks import check_tasks
from bg_runner.web.urls import login_url, own_path

ID = "0f0e8d3c-5b5a-4c8e-9a51-0a3b0a1c2d3e"


def test_a_workspace_may_be_named_in_any_place() -> None:
    assert session_of(ID, None, None) == session_of(None, ID) == session_of(None, None, ID.upper()) == ID
    assert session_of(ID, ID) == ID


def test_a_workspace_must_be_named() -> None:
    with pytest.raises(SessionMissing):
        session_of(None, None)


@pytest.mark.parametrize(
    "given", ["", "x", ID[:-1], ID + "0", f"{{{ID}}}", ID.replace("-", ""), "../" + ID, ID + "\n0"]
)
def test_a_workspace_is_a_uuid(given: str) -> None:
    with pytest.raises(InvalidSession):
        session_of(given)


def test_two_places_must_agree() -> None:
    with pytest.raises(InvalidSession):
        session_of(ID, str(uuid.uuid4()))


@pytest.mark.parametrize("path", ["/", "/s/x?a=1", "/docs#part"])
def test_paths_of_our_own(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\\b", "/a\r\nSet-Cookie: x", "x", "\t//x"],
)
def test_nobody_is_redirected_elsewhere(path: str) -> None:
    assert own_path(path) == "/"


def test_a_login_link_carries_where_to_go() -> None:
    assert login_url("http://h:1", "c") == "http://h:1/login?code=c"
    assert login_url("http://h:1", "c", "/s/x") == "http://h:1/login?code=c&next=%2Fs%2Fx"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", b""),
        (b"abc", b"abc"),
        ("äö".encode(), "äö".encode()),
        ("ä".encode()[:1], b""),
        (b"a" + "€".encode()[:2], b"a"),
        (b"a" + "😀".encode()[:3], b"a"),
        (b"a\xff", b"a\xff"),
        (b"a\x80\x80\x80\x80", b"a\x80\x80\x80\x80"),
        (b"a\x1b", b"a"),
        (b"a\x1b[3", b"a"),
        (b"a\x1b[31m", b"a\x1b[31m"),
        (b"a\x1b]0;title", b"a"),
        (b"a\x1b]0;title\x07b", b"a\x1b]0;title\x07b"),
        (b"a\x1b[31m\xe2\x82", b"a\x1b[31m"),
    ],
)
def test_a_piece_of_a_log_ends_before_what_is_cut_off(data: bytes, shown: bytes) -> None:
    assert data[: presentable(data)] == shown


def test_a_task_list_is_checked_beyond_its_types(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, max_tasks=2)

    def check(*tasks: Mapping[str, object], saved: tuple[Mapping[str, object], ...] = ()) -> None:
        check_tasks(TaskListAdapter.validate_python(tasks), TaskListAdapter.validate_python(saved), settings)

    here = {"kind": "shell", "command": "x", "cwd": str(tmp_path)}
    check(here, {"kind": "browser", "path": [{"type": "navigate", "url": "about:blank"}]})
    gone = {**here, "id": "one", "cwd": str(tmp_path / "gone")}
    with pytest.raises(CwdMissing, match=r"tasks\.1\.cwd"):
        check(here, gone)
    with pytest.raises(ShellMissing, match=r"tasks\.0\.shell"):
        check({**here, "shell": "/bin/no-such-shell"})
    with pytest.raises(UrlRefused, match=r"tasks\.0\.path\.1\.url"):
        check({"kind": "browser", "path": [{"type": "close"}, {"type": "navigate", "url": "file:///etc/passwd"}]})
    with pytest.raises(InvalidField, match="may have 2 tasks"):
        check(here, here, here)
    with pytest.raises(InvalidField, match="id same"):
        check({**here, "id": "same"}, {**here, "id": "same"})
    check({**gone, "name": "renamed"}, saved=(gone,))  # what vanished after it was saved blocks nobody
