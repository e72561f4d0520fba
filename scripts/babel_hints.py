"""A Babel extractor (babel.cfg): the hints of errors.py, since the page shows them in the person's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import IO


def extract_hints(
    fileobj: IO[bytes],
    keywords: object,  # noqa: ARG001 - Babel names them
    comment_tags: object,  # noqa: ARG001
    options: object,  # noqa: ARG001
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Yield the `default_hint` of every error class."""
    for node in ast.walk(ast.parse(fileobj.read())):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == "default_hint" and node.value.value:
            yield node.lineno, "", str(node.value.value), []
