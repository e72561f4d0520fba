"""Records what real programs write to a real terminal of 24 x 80 cells: `.venv/bin/python -m tests.corpus.record`.

The recordings beside this file are test data for the emulator; they are made again only when a program is added.
Needs vim, less, top, git, tmux and bash. Keys are sent when the program has been quiet for a moment.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from ptyprocess import PtyProcess

HERE = Path(__file__).parent
ROWS, COLS = 24, 80
# No more than this of a recording is kept.
LIMIT = 24_000

WIDE_SCRIPT = r"""
printf '\033[2J\033[H'
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
  printf '\033[3%dm你好，世界\033[0m 表格 %d │ emoji 🚀🎉👍 │ combining e\xcc\x81o\xcc\x88 │ 한국어 日本語 wide at the very edge 漢字\r\n' $((i % 8)) $i
done
printf '宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽x宽宽\r\n'
printf '\033[5;40H\033[44m半\033[0m\033[6;39H\033[1@\033[7;41H\033[2P\033[8;20H\033[1;33m覆盖\033[m'
"""  # noqa: E501 (shell scripts)
PROGRESS_SCRIPT = r"""
for i in $(seq 0 2 100); do
  printf '\r  %% Total  \033[32m[%-50s]\033[0m %3d%% eta 0:%02d' "$(printf '#%.0s' $(seq 0 $((i / 2))))" $i $((59 - i / 2))
done; printf '\r\n'
for i in 1 2 3 4 5; do printf 'layer %d: waiting\r\n' $i; done
for i in $(seq 1 40); do n=$((i % 5 + 1)); printf '\033[%dA\r\033[2Klayer %d: \033[36m%d%%\033[0m\033[%dB\r' $n $((6 - n)) $((i * 2)) $n; done
"""  # noqa: E501 (shell scripts)
FULL_SCRIPT = r"""
printf 'before the program\r\n\033]0;dashboard\007\033[?1049h\033[?25l\033[?1002h\033[?1006h\033[?2004h\033[?1h\033='
printf '\033[44m\033[2J\033[H\033[1;37m%-80s\033[0;44m' ' dashboard'
for i in $(seq 2 20); do printf '\033[%d;3H\033[38;5;%dm\033[48;2;%d;20;60m row %d \033(0lqqqk\033(B\033[0;44m\033[K' $i $((i * 9)) $((i * 12)) $i; done
printf '\033[5;18r\033[18;1H\r\n\n\nscrolled\033[6;1H\033M\033[2L\033[10;10H\0337\033[12;60Hfull \033[1;4;31mred\033[24m\033[4 q'
"""  # noqa: E501 (shell scripts)
LS_SCRIPT = r"""
ls --color=always -C -w 80 /usr/bin | head -200
for i in 1 2 3; do printf 'see \033]8;;https://example.org/%d\033\\\033[4mpage %d 页\033[0m\033]8;;\033\\ and more\r\n' $i $i; done
"""  # noqa: E501 (shell scripts)
SHELL_SCRIPT = r"""
export PS1='\[\e]0;shell\a\e]133;A\a\e[1;32m\]user@host\[\e[m\]:\[\e[34m\]/src\[\e[m\]$ \[\e]133;B\a\]'
"""

# name: command, keys to send one after the other
RECORDINGS: dict[str, tuple[list[str], list[bytes]]] = {
    "vim": (
        ["vim", "-u", "NONE", "-N", "-c", "syntax on | set number hlsearch mouse=a ruler", "{work}/code.py"],
        [
            b"\x06",
            b"/def\r",
            b"n",
            b"5dd",
            b"onew line \xe4\xb8\xad\xe6\x96\x87\x1b",
            b":split\r",
            b"\x17w",
            b"G",
            b"Vkkk",
            b"\x1b:%s/self/me/g\r",
        ],
    ),
    "less": (["less", "-R", "{work}/log.txt"], [b" ", b" ", b"/error 5\r", b"b", b"jjjj", b"G", b"g"]),
    "less_quit": (["less", "{work}/code.py"], [b" ", b"jj", b"q"]),
    "top": (["bash", "-c", "sleep 9 & one=$!; sleep 9 & top -d 0.5 -p $$,$one,$!"], [b"1", b"", b"", b"m"]),
    "progress": (["bash", "-c", PROGRESS_SCRIPT], []),
    "wide": (["bash", "-c", WIDE_SCRIPT], []),
    "tmux": (
        ["tmux", "-f", "{work}/tmux.conf", "-L", "bg-runner-corpus", "new"],
        [b"\x02%", b"seq 60\r", b'\x02"', b"echo -e '\\e[41mred\\e[0m'\r", b"\x02[", b"\x1b[5~", b"q"],
    ),
    "git_log": (
        ["bash", "-c", "cd {work}/repository && git -c color.ui=always log --graph --stat -p | head -400"],
        [],
    ),
    "ls": (["bash", "-c", LS_SCRIPT], []),
    "dashboard": (["bash", "-c", FULL_SCRIPT], []),
    "shell": (
        ["bash", "--norc", "--noprofile"],
        [
            SHELL_SCRIPT.strip().encode() + b"\r",
            b"echo " + b"long " * 30,
            b"\x01" + b"\x1b[C" * 20,
            b"inserted ",
            b"\x0b\r",
            b"cd /u\t\t\r",
            b"\x0c",
            b"ls /usr\r",
        ],
    ),
}


def prepare(work: Path) -> None:
    """Files to show; always the same."""
    code = "".join(
        f'class Thing{i}:\n    """Docs {i}."""\n\n    def method(self, x: int = {i}) -> str:\n'
        f'        return f"{{self}} {{x}}"  # {"long " * (i % 30)}\n\n'
        for i in range(60)
    )
    (work / "code.py").write_text(code)
    lines = [
        f"\x1b[3{i % 8}m2026-01-01 {i:05}\x1b[0m \x1b[1merror {i % 97}\x1b[0m message {'word ' * (i % 25)}\n"
        for i in range(600)
    ]
    (work / "log.txt").write_text("".join(lines))
    (work / "tmux.conf").write_text(
        "set -g status-right here\nset -g default-command \"PS1='$ ' exec bash --norc --noprofile\"\n"
    )
    repository = work / "repository"
    repository.mkdir()
    names = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    environment = {
        **os.environ,
        **names,
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=repository, check=True)
    for step in range(0, 40, 4):
        (repository / "code.py").write_text(code[: 600 + step * 100].replace(f"Thing{step}", "Changed"))
        subprocess.run(["git", "add", "."], cwd=repository, check=True)
        subprocess.run(["git", "commit", "-q", "-m", f"Step {step} 改"], cwd=repository, check=True, env=environment)


def record(command: list[str], keys: list[bytes]) -> bytes:
    """Run the command, send each of `keys` after a quiet moment, and take what it wrote until it is quiet again."""
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    environment["COLORTERM"] = "truecolor"
    process = PtyProcess.spawn(command, env=environment, dimensions=(ROWS, COLS))
    output = bytearray()
    for key in [*keys, None]:
        while select.select([process.fd], [], [], 0.7)[0] and len(output) < LIMIT:
            try:
                output += os.read(process.fd, 65536)
            except OSError:
                break
        if key is not None:
            process.write(key)
    process.close(force=True)
    return bytes(output[:LIMIT])


def main() -> None:
    """Make all recordings, or those named on the command line."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prepare(work)
        for recording in sys.argv[1:] or RECORDINGS:
            command, keys = RECORDINGS[recording]
            data = record([part.replace("{work}", name) for part in command], keys)
            (HERE / f"{recording}.z").write_bytes(zlib.compress(data, 9))
            print(f"{recording}: {len(data)} bytes")
            if recording == "tmux":
                subprocess.run(["tmux", "-L", "bg-runner-corpus", "kill-server"], check=False)


if __name__ == "__main__":
    main()
