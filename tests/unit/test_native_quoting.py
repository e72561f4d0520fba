"""Names, words and lines of native sessions: what reaches a shell, tmux or ssh stays what it was."""

from __future__ import annotations

import shlex
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.errors import CwdMissing, InvalidField
from bg_runner.terminals.native import (
    NativeTool,
    SshServer,
    base_environment,
    check_native_id,
    check_tool,
    is_native_id,
    native_session_id,
    quoted,
    ssh_command,
)
from bg_runner.terminals.screen import ScreenSessions
from bg_runner.terminals.tmux import TmuxSessions, creation, literal, parse_version

SESSION = "abc12345-0000-4000-8000-000000000000"
LINES = st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters="\x7f"))


def fish_words(line: str) -> list[str]:
    """fish's rules for quotes (its documentation, "Quotes"): within '...' only \\' and \\\\ are escapes."""
    words, word, position = [], "", 0
    while position < len(line):
        character = line[position]
        if character in "'\"":
            end = position + 1
            while line[end] != character:
                if line[end] == "\\" and line[end + 1] in "\\" + character:
                    end += 1
                word += line[end]
                end += 1
            position = end
        elif character == " ":
            words.append(word)
            word = ""
        else:
            word += character
        position += 1
    return [*words, word]


@given(LINES)
def test_a_quoted_word_is_one_word_for_every_shell(text: str) -> None:
    assert shlex.split(f"a {quoted(text)} b") == ["a", text, "b"]
    assert fish_words(f"a {quoted(text)} b") == ["a", text, "b"]
    assert shlex.split(shlex.split(quoted(quoted(text)))[0]) == [text]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\0", "a\x7f", "\t"])
def test_a_line_with_control_characters_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        quoted(text)


@pytest.mark.parametrize(
    ("server", "command", "line"),
    [
        (
            SshServer("server", 22, "user"),
            "tmux attach -t ai-claude-abc12345",
            "ssh -t user@server 'tmux attach -t ai-claude-abc12345'",
        ),
        (SshServer("::1", 2222, "a.b_c-d$"), "it's", "ssh -t -p 2222 'a.b_c-d$@::1' 'it'\"'\"'s'"),
    ],
)
def test_the_ssh_command_is_the_seeds(server: SshServer, command: str, line: str) -> None:
    assert ssh_command(server, command) == line


@pytest.mark.parametrize(
    ("host", "port", "user"),
    [
        ("-oProxyCommand=touch", 22, "u"),
        ("a b", 22, "u"),
        ("", 22, "u"),
        ("a;b", 22, "u"),
        ("h", 0, "u"),
        ("h", 65536, "u"),
        ("h", 22, "-l"),
        ("h", 22, ""),
        ("h", 22, "a@b"),
        ("h", 22, "u\n"),
        ("h\n", 22, "u"),
        ("h", 22, "$(id)"),
    ],
)
def test_a_server_that_could_be_an_option_or_a_command_is_refused(host: str, port: int, user: str) -> None:
    with pytest.raises(InvalidField):
        SshServer(host, port, user)


@given(st.text(max_size=80), st.uuids())
def test_every_name_gives_an_id_of_ours(name: str, session: uuid.UUID) -> None:
    native_id = native_session_id(name, str(session))
    assert check_native_id(native_id) == native_id
    assert native_id.endswith(session.hex[:8])
    assert len(native_id) <= 45


def test_ids_are_the_seeds_and_nothing_else() -> None:
    assert native_session_id("Claude", SESSION) == "ai-claude-abc12345"
    assert native_session_id("克劳德", SESSION) == "ai-tool-abc12345"
    for bad in ("ai-claude-abc1234", "ai--abc12345", "ai-claude-abc12345\n", "../ai-x-abc12345", "main", "=ai", ""):
        assert not is_native_id(bad)
        with pytest.raises(InvalidField):
            check_native_id(bad)
    with pytest.raises(InvalidField):
        native_session_id("claude", "../..")


@pytest.mark.parametrize(
    "change",
    [
        {"argv": []},
        {"argv": [""]},
        {"argv": ["-u", "NAME"]},
        {"argv": ["A=1", "id"]},
        {"argv": ["a", "b\0c"]},
        {"env": {"A": "\0"}},
        {"env": {"": "x"}},
        {"env": {"A=B": "x"}},
    ],
)
def test_what_no_program_can_be_given_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    good = NativeTool("x", ["a"], {"A": "1"}, str(tmp_path))
    check_tool(good, 24, 80)
    with pytest.raises(InvalidField):
        check_tool(good._replace(**change), 24, 80)  # type: ignore[arg-type]
    with pytest.raises(InvalidField):
        check_tool(good, 0, 80)
    for cwd in (str(tmp_path / "no"), "relative", ""):
        with pytest.raises(CwdMissing):
            check_tool(good._replace(cwd=cwd), 24, 80)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("tmux 3.3a", (3, 3)),
        ("tmux 2.9\n", (2, 9)),
        ("tmux next-3.5", (3, 5)),
        ("tmux master", (99, 0)),
        ("", (0, 0)),
    ],
)
def test_versions_of_tmux(said: str, version: tuple[int, int]) -> None:
    assert parse_version(said) == version


@given(st.text())
def test_tmux_never_ends_a_command_within_our_words(word: str) -> None:
    """tmux: cmd_parse_from_arguments ends a command at a word's last `;`, and takes `\\;` for `;`."""
    sent = literal(word)
    if sent.endswith(";"):
        assert sent.endswith("\\;")
        sent = sent[:-2] + ";"
    assert sent == word


def test_older_versions_of_tmux_get_the_environment_through_env() -> None:
    tool = NativeTool("x", ["prog", "a;"], {}, "/")
    old = creation("ai-x-abc12345", tool, {"A": "b;", "C": "d"}, 24, 80, (3, 0))
    assert old[old.index("--") : old.index(";")] == ["--", "/usr/bin/env", "A=b\\;", "C=d", "prog", "a\\;"]
    assert "-p" not in old[old.index(";") :]
    new = creation("ai-x-abc12345", tool, {"A": "b;"}, 24, 80, (3, 2))
    assert new[new.index("-e") : new.index(";")] == ["-e", "A=b\\;", "--", "/usr/bin/env", "prog", "a\\;"]


def test_attach_commands_name_another_socket(tmp_path: Path) -> None:
    native_id = "ai-claude-abc12345"
    assert TmuxSessions().attach_command(native_id) == f"tmux attach -t {native_id}"
    assert TmuxSessions().attach_argv(native_id) == ["tmux", "-u", "attach", "-t", f"={native_id}"]
    assert TmuxSessions(socket_name="ours").attach_command(native_id) == f"tmux -L ours attach -t {native_id}"
    assert (
        TmuxSessions(socket_path=Path("/a b/s")).attach_command(native_id) == f"tmux -S '/a b/s' attach -t {native_id}"
    )
    command = ScreenSessions(Path("/a b")).attach_command(native_id)
    assert command == f"env SCREENDIR='/a b/sockets' screen -U -x {native_id}"
    for bad in ("../x", "a b", "-f", ""):
        with pytest.raises(InvalidField):
            TmuxSessions(socket_name=bad)


def test_a_multiplexer_never_gets_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_RUNNER_TOKEN", "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    env = base_environment()
    assert "secret" not in env.values()
    assert env["LC_ALL"] == "C.UTF-8"
    assert "PATH" in env
