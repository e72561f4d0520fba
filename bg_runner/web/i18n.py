"""English and Simplified Chinese: by the cookie `lang`, else by what the browser asks for."""

from __future__ import annotations

from flask import Flask, request
from flask_babel import Babel, get_locale, get_translations

LANGUAGES = ("en", "zh")
COOKIE = "lang"


def set_up_languages(app: Flask) -> None:
    """Every template receives `lang`; the workspace's page also its catalogue as `messages`."""
    Babel(app, locale_selector=choose_language)
    app.context_processor(lambda: {"lang": language(), "translate": translate})


def choose_language() -> str:
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en") or "en"


def language() -> str:
    """The language of this request: `en` or `zh`."""
    return str(getattr(get_locale(), "language", "en"))


def translate(text: str) -> str:
    """A text that was not written in the template, in the request's language if it is known.

    Templates use this and not `_()` for such a text: Jinja takes what `_()` returns for safe markup.
    """
    return catalogue().get(text, text)


def catalogue() -> dict[str, str]:
    """English text -> translation, for the page's scripts. A plural is found under its singular."""
    found: dict[str, str] = {}
    for key, text in getattr(get_translations(), "_catalog", {}).items():
        if isinstance(key, tuple):
            found.setdefault(str(key[0]), str(text))
        elif key:
            found[str(key)] = str(text)
    return found
