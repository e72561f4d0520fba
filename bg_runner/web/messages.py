"""The page's words in other languages: the catalogue that goes into a page, and finding the texts to translate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import IO

from flask_babel import get_locale, get_translations

LANGUAGES = ("en", "zh")


def page_messages() -> dict[str, str]:
    """Every translation of the request's language by its English text; empty for English. A plural has one form."""
    catalogue: dict[object, str] = getattr(get_translations(), "_catalog", {})
    found: dict[str, str] = {}
    for key, text in catalogue.items():
        if isinstance(key, tuple) and key[1] == 0:
            found[str(key[0])] = text
        elif isinstance(key, str) and key and isinstance(text, str):
            found[key] = text
    return found


def template_context() -> dict[str, object]:
    """What every template receives: `lang` and, for the scripts, `messages`."""
    locale = get_locale()
    return {"lang": locale.language if locale is not None else "en", "messages": page_messages()}


def extract_hints(
    fileobj: IO[bytes], keywords: object, comment_tags: object, options: object  # noqa: ARG001 - Babel names them
) -> Iterator[tuple[int, str, str, list[str]]]:
    """A Babel extractor: the `default_hint` of every error, since the page shows them translated."""
    for node in ast.walk(ast.parse(fileobj.read())):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == "default_hint" and node.value.value:
            yield node.lineno, "", str(node.value.value), []
