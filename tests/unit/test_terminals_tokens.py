"""The estimate of tokens against a real tokenizer: o200k_base of npm's js-tiktoken, which ships its ranks."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.terminals.tokens import WHOLE, estimate_tokens

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).with_name("data") / "tokens"
TOLERANCE = 0.15
COUNT = """
import {readFileSync} from "node:fs";
import {Tiktoken} from "js-tiktoken/lite";
import ranks from "js-tiktoken/ranks/o200k_base";
const encoding = new Tiktoken(ranks);
const texts = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => encoding.encode(text, [], []).length)));
"""

Tokenizer = Callable[[list[str]], list[int]]


@pytest.fixture(scope="module")
def tokenizer(node_path: str) -> Tokenizer:
    def count(texts: list[str]) -> list[int]:
        command = [node_path, "--input-type=module", "--eval", COUNT]
        done = subprocess.run(command, cwd=ROOT, input=json.dumps(texts), capture_output=True, text=True, check=True)
        counts: list[int] = json.loads(done.stdout)
        return counts

    return count


def project_files(*patterns: str) -> str:
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return "\n".join(path.read_text() for path in paths)[:40_000]


def nginx_log() -> str:
    made = random.Random(1)
    paths = ["/", "/api/orders/%d", "/static/app.%x.js", "/img/%d.webp", "/search?q=shoes&page=%d", "/.env"]
    agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile",
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "kube-probe/1.29",
    ]
    lines = []
    for _ in range(60):
        path = made.choice(paths)
        path = path % made.randrange(1 << 24) if "%" in path else path
        address = ".".join(str(made.randrange(256)) for _ in range(4))
        time = f"{made.randrange(1, 29):02}/Jul/2026:{made.randrange(24):02}:{made.randrange(60):02}:07 +0200"
        status, size = made.choice([200, 200, 301, 404, 502]), made.randrange(90_000)
        lines.append(f'{address} - - [{time}] "GET {path} HTTP/1.1" {status} {size} "-" "{made.choice(agents)}"')
    return "\n".join(lines)


def listing() -> str:
    """As `ls -l` prints it."""
    made = random.Random(2)
    names = sorted(path.name for path in [*ROOT.glob("bg_runner/**/*.py"), *ROOT.glob("static/js/*.js")])[:80]
    lines = [f"total {made.randrange(9999)}"]
    for name in names:
        mode = made.choice(["-rw-r--r--", "-rwxr-xr-x", "drwxr-xr-x", "lrwxrwxrwx", "-rw-------"])
        day = f"{made.choice(['Jan', 'Mar', 'Jul', 'Nov'])} {made.randrange(1, 29):2}"
        time = made.choice([f"{made.randrange(24):02}:{made.randrange(60):02}", " 2025"])
        lines.append(f"{mode} {made.randrange(1, 9)} root root {made.randrange(1 << 20):8} {day} {time} {name}")
    return "\n".join(lines)


def hex_dump() -> str:
    """As `xxd` prints it: half text, half noise."""
    made = random.Random(3)
    data = bytes(made.randrange(256) if made.random() < 0.5 else made.randrange(32, 127) for _ in range(1600))
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = " ".join(row[place : place + 2].hex() for place in range(0, 16, 2))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{at:08x}: {pairs}  {shown}")
    return "\n".join(lines)


def json_text() -> str:
    made = random.Random(4)
    rows = [
        {
            "id": f"ord_{made.getrandbits(64):016x}",
            "created_at": f"2026-07-{made.randrange(1, 29):02}T{made.randrange(24):02}:15:32.418Z",
            "customer": {"name": made.choice(["Anna Schmidt", "Li Na", "John Okafor"]), "vip": made.random() < 0.5},
            "items": [{"sku": f"A-{made.randrange(9999)}", "quantity": made.randrange(9), "price": 19.99}],
            "note": None,
        }
        for _ in range(15)
    ]
    return json.dumps(rows, indent=2)


def chinese_log() -> str:
    made = random.Random(5)
    said = [
        "用户 %d 登录成功",
        "订单 %d 支付失败:余额不足",
        "连接超时,第 %d 次重试",
        "缓存已清理,释放内存 %d MB",
        "文件上传完成,共 %d 字节",
    ]
    lines = []
    for _ in range(60):
        time = f"2026-07-{made.randrange(1, 29):02} {made.randrange(24):02}:{made.randrange(60):02}:11"
        level, part = made.choice(["INFO", "WARN", "ERROR"]), made.choice(["订单服务", "gateway", "支付服务"])
        lines.append(f"{time} {level} [{part}] {made.choice(said) % made.randrange(99_999)}")
    return "\n".join(lines)


KINDS: dict[str, Callable[[], str]] = {
    **{path.stem: path.read_text for path in sorted(SAMPLES.glob("*"))},
    "python": lambda: project_files("bg_runner/terminals/*.py"),
    "javascript": lambda: project_files("static/js/*.js"),
    "css and html": lambda: project_files("static/css/*.css", "templates/*.html"),
    "english documentation": lambda: project_files("README.md", "docs/*.md"),
    "chinese documentation": lambda: project_files("README.zh-CN.md"),
    "json": json_text,
    "nginx log": nginx_log,
    "chinese log": chinese_log,
    "ls -l": listing,
    "hex dump": hex_dump,
}


@pytest.fixture(scope="module")
def counted(tokenizer: Tokenizer) -> dict[str, tuple[str, int]]:
    """Text and true count of every kind, and of long mixtures."""
    texts = {kind: make() for kind, make in KINDS.items()}
    together = "\n".join(texts.values())
    texts["all together"] = together
    texts["long"] = "\n".join(text[: WHOLE // 4] for text in texts.values() for _ in range(2))
    return dict(zip(texts, zip(texts.values(), tokenizer(list(texts.values())), strict=True), strict=True))


@pytest.mark.parametrize("kind", [*KINDS, "all together", "long"])
def test_the_estimate_is_right_within_fifteen_percent(counted: dict[str, tuple[str, int]], kind: str) -> None:
    text, count = counted[kind]
    assert len(text) > 700
    assert estimate_tokens(text) == pytest.approx(count, rel=TOLERANCE)


def test_long_texts_are_sampled(counted: dict[str, tuple[str, int]]) -> None:
    assert len(counted["all together"][0]) > 2 * WHOLE


@given(st.text(max_size=300))
def test_any_text_has_an_estimate(text: str) -> None:
    assert (estimate_tokens(text) == 0) == (not text)


@pytest.mark.parametrize("part", ["x", "X", "1", " ", "\n", "{", "中", "。", "\x00", "é", "1a", "Xx", "x1", " 1"])
def test_no_text_takes_long(part: str) -> None:
    """A pattern that goes back would take hours."""
    for end in ("", "e", "E", "1", " "):
        assert estimate_tokens(part * (WHOLE // len(part) - 1) + end) > 0
