"""Interactive bash and zsh with their owners' own start-up files: marks and directory come on top, nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bg_runner.terminals.osc import OscEvent, OscScanner
from bg_runner.terminals.output import LogReader
from tests.conditions import wait_until
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

# What people have in their files; each must work as it did.
BASH_PLAIN = "alias greet='echo hello from an alias'\nPS1='plain> '\n"
BASH_FULL = r"""set -u
alias greet='echo hello from an alias'
__mine() { local code=$?; LAST_SEEN=$code; }
PROMPT_COMMAND='__mine; '
PS0='[ps0]'
PS1='code ${LAST_SEEN} > '
"""
BASH_ARRAY = r"""alias greet='echo hello from an alias'
first() { SEEN_FIRST=$?; }
second() { SEEN_SECOND=$?; }
PROMPT_COMMAND=(first second)
PS1='$SEEN_FIRST,$SEEN_SECOND > '
"""
# As starship does it: a DEBUG trap for the start of a command, the prompt made by a function that looks at $?.
BASH_STARSHIP = r"""alias greet='echo hello from an alias'
starship_preexec() { STARTED=${STARTED:-1}; return 0; }
starship_precmd() { STATUS=$?; STARTED=; PS1="[$STATUS] > "; }
trap 'starship_preexec "$_"' DEBUG
PROMPT_COMMAND=starship_precmd
"""
ZSH_FULL = r"""setopt no_unset ksh_arrays
alias greet='echo hello from an alias'
precmd() { SEEN=$? }
PROMPT_COMMAND=unused
setopt prompt_subst
PS1='code ${SEEN} > '
"""
ZSH_STARSHIP = r"""alias greet='echo hello from an alias'
autoload -Uz add-zsh-hook
starship_precmd() { STATUS=$? }
add-zsh-hook precmd starship_precmd
setopt prompt_subst
PROMPT='[$STATUS] > '
"""
FILES = {
    "bash-plain": ("bash", ".bashrc", BASH_PLAIN, "plain> "),
    "bash-full": ("bash", ".bashrc", BASH_FULL, "code 3 > "),
    "bash-array": ("bash", ".bashrc", BASH_ARRAY, "3,3 > "),
    "bash-starship": ("bash", ".bashrc", BASH_STARSHIP, "[3] > "),
    "zsh-full": ("zsh", ".zshrc", ZSH_FULL, "code 3 > "),
    "zsh-starship": ("zsh", ".zshrc", ZSH_STARSHIP, "[3] > "),
}


def serving(data_dir: Path, **settings: object) -> Iterator[ServerProcess]:
    process = ServerProcess(data_dir, stop_grace=1, **settings)
    data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serving(tmp_path_factory.mktemp("shells") / "data")


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serving(tmp_path_factory.mktemp("bare") / "data", shell_integration="false")


class Shell:
    """An interactive shell at home in `home`."""

    def __init__(self, server: ServerProcess, shell: str, home: Path, **env: str) -> None:
        assert shutil.which(shell), f"the set-up of the tests installs {shell}"
        self.home = home
        self.terminal = Terminal(server, shell=shell, cwd=str(home), cols=200, env={"HOME": str(home), **env})
        self._log = LogReader(server.data_dir / "terminals" / self.terminal.id)

    @property
    def output(self) -> bytes:
        return self._log.read(0).data

    def events(self) -> list[OscEvent]:
        return OscScanner().feed(self.output)

    def marks(self) -> list[tuple[str, int | None]]:
        """What the shell said of commands: kind, and the code of those that are done."""
        return [(event.kind, event.code) for event in self.events() if event.kind in ("prompt", "output", "done")]

    def cwd(self) -> str:
        return [event.text for event in self.events() if event.kind == "cwd"][-1]

    def run(self, line: str) -> None:
        """Type a line at the prompt; returns at the next prompt."""
        self.wait_prompt()
        before = self.marks().count(("prompt", None))
        self.terminal.type(line)
        wait_until(lambda: self.marks().count(("prompt", None)) > before, 30, 0.02)

    def wait_prompt(self) -> None:
        wait_until(lambda: self.marks() and self.marks()[-1] == ("prompt", None), 30, 0.02)


@pytest.mark.parametrize("kind", FILES)
def test_marks_and_directory_beside_ones_own_settings(server: ServerProcess, tmp_path: Path, kind: str) -> None:
    program, name, content, prompt = FILES[kind]
    (tmp_path / name).write_text(content)
    inside = tmp_path / "with space 100% é"
    inside.mkdir()
    shell = Shell(server, program, tmp_path)
    shell.wait_prompt()
    assert shell.marks() == [("prompt", None)]
    assert shell.cwd() == str(tmp_path)
    shell.run("greet")
    assert b"hello from an alias" in shell.output
    shell.run("\n")  # No command, no end of one.
    assert shell.marks()[-2:] == [("done", 0), ("prompt", None)] or shell.marks()[-2:] == [("prompt", None)] * 2
    shell.run("(exit 3)")
    if prompt != "plain> ":
        wait_until(lambda: prompt.encode() in shell.output)
    shell.run(f"cd '{inside.name}'")
    assert shell.cwd() == str(inside)
    wait_until(lambda: shell.terminal.state()["cwd"] == str(inside))
    codes = [code for kind_, code in shell.marks() if kind_ == "done"]
    assert codes == [0, 3, 0]
    assert [kind_ for kind_, _ in shell.marks()].count("output") == 3
    for noise in (b"unbound", b"parameter not set", b"command not found", b"syntax error", b"__bg_runner"):
        assert noise not in shell.output
    if kind == "bash-full":
        assert b"[ps0]" in shell.output


def test_zsh_reads_its_files_where_the_user_has_them(server: ServerProcess, tmp_path: Path) -> None:
    elsewhere = tmp_path / "config"
    elsewhere.mkdir()
    (tmp_path / ".zshenv").write_text(f"export ZDOTDIR={elsewhere}\nENV_FILE=read\n")
    (elsewhere / ".zshrc").write_text("RC_FILE=read-$ENV_FILE\n")
    shell = Shell(server, "zsh", tmp_path)
    shell.run("echo rc=$RC_FILE dir=$ZDOTDIR left=${BG_RUNNER_ZDOTDIR-nothing}")
    assert f"rc=read-read dir={elsewhere} left=nothing".encode() in shell.output


def test_a_shell_in_the_shell_is_its_own(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo read by $$\n")
    shell = Shell(server, "bash", tmp_path)
    shell.run("bash -c 'echo inner=$PS0,$PROMPT_COMMAND.'")
    assert b"inner=,." in shell.output
    assert shell.output.count(b"read by") == 1


@pytest.mark.parametrize("program", ["bash", "zsh"])
def test_turned_off_it_leaves_all_as_it_is(bare_server: ServerProcess, tmp_path: Path, program: str) -> None:
    (tmp_path / f".{program}rc").write_text("PS1='bare> '\necho own file\n")
    shell = Shell(bare_server, program, tmp_path)
    wait_until(lambda: b"bare> " in shell.output, 30)
    shell.terminal.type("echo out=$((1 + 1)), ${PS0-}${ZDOTDIR-}.")
    wait_until(lambda: b"out=2, ." in shell.output, 30)
    assert b"own file" in shell.output
    assert shell.marks() == []
    assert b"\x1b]7;" not in shell.output
