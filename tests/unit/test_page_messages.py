"""Every text of the pages has its translation, with the same places in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from scripts.messages import CHECKOUT, TRANSLATIONS, read_catalogue, wanted_messages

CATALOGUES = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))
PLACES = re.compile(r"\{\w+\}|%\(\w+\)s")


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    return wanted_messages()


def test_the_texts_of_templates_scripts_and_errors_are_found(wanted: Catalog) -> None:
    for text in ("Skip to the tasks", "Background tasks all complete!", "The disk is full", "Start a run first."):
        assert text in wanted
    assert len(wanted) > 350


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_nothing_lacks_a_translation(path: Path, wanted: Catalog) -> None:
    catalogue = read_catalogue(path)
    texts = {message.id for message in wanted if message.id}
    translated = {
        message.id for message in catalogue if message.id and all(_forms(message.string)) and not message.fuzzy
    }
    assert texts - translated == set(), "python -m scripts.messages adds them to the catalogue"
    assert translated - texts == set(), "python -m scripts.messages removes them"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_translations_keep_the_places(path: Path) -> None:
    for message in read_catalogue(path):
        if not message.id:
            continue
        places = set().union(*(PLACES.findall(text) for text in _forms(message.id)))
        for text in _forms(message.string):
            assert set(PLACES.findall(text)) == places, text


def test_scripts_translate_literal_texts_only() -> None:
    """A text that is put together at run time would never be found."""
    for script in sorted((CHECKOUT / "static" / "js").rglob("*.js")):
        for call in re.findall(r"(?<![\w.])t\(\s*(?![\"\s])[^)]{0,40}", script.read_text(encoding="utf-8")):
            assert call.startswith("t(text"), f"{script.name}: {call}"  # its own definition


def _forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    """A text, or each of its plural forms."""
    return (text or "",) if isinstance(text, str | None) else tuple(text)
