"""Bring the catalogues of the pages up to date: `python -m scripts.messages`.

Texts come from templates, scripts and the hints of errors (babel.cfg). New ones are added without a translation, and
those that are gone are removed; `tests/unit/test_page_messages.py` fails until every text has its translation.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

CHECKOUT = Path(__file__).resolve().parent.parent
TRANSLATIONS = CHECKOUT / "bg_runner" / "translations"
# What marks a text: `_`, `gettext`, `ngettext` in templates and Python; `t` and `tn(number, one, many)` in scripts.
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "gettext": None, "ngettext": (1, 2), "t": None, "tn": (2, 3)}


def wanted_messages() -> Catalog:
    """A template catalogue with every text of the product."""
    with (CHECKOUT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    sys.path.insert(0, str(CHECKOUT))  # the extractor of babel.cfg is imported by name
    try:
        catalogue = Catalog(project="bg-runner")
        for part in ("templates", "static/js", "bg_runner"):
            found = extract_from_dir(
                CHECKOUT,
                method_map=methods,
                options_map=options,
                keywords=KEYWORDS,
                directory_filter=partial(_leads_to, CHECKOUT / part),
            )
            for _, _, message, _, _ in found:
                catalogue.add(message)
    finally:
        sys.path.remove(str(CHECKOUT))
    return catalogue


def _leads_to(part: Path, name: str | os.PathLike[str]) -> bool:
    directory = Path(name)
    return directory == part or directory in part.parents or part in directory.parents


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def update() -> int:
    """Rewrite every catalogue; the number of texts that still lack a translation."""
    wanted, lacking = wanted_messages(), 0
    for path in sorted(TRANSLATIONS.glob("*/LC_MESSAGES/messages.po")):
        catalogue = read_catalogue(path)
        catalogue.update(wanted, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, width=0, sort_output=True, ignore_obsolete=True, omit_header=False)
        missing = [message.id for message in catalogue if message.id and not all(_strings(message.string))]
        lacking += len(missing)
        print(f"{path.relative_to(CHECKOUT)}: {len(catalogue)} texts, {len(missing)} without a translation")
        for text in missing:
            print(f"  {text}")
    return lacking


def _strings(string: object) -> tuple[object, ...]:
    return string if isinstance(string, tuple) else (string,)


if __name__ == "__main__":
    sys.exit(1 if update() else 0)
