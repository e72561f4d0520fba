"""Column types that mean the same on SQLite and PostgreSQL.

SQLite stores any text in any length; PostgreSQL refuses NUL, half characters and what is too long. Both refuse here,
with the same error, so that what works on a laptop works on a server.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from bg_runner.errors import InvalidField

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, in UTC however it was given. `timestamptz` on PostgreSQL, text that sorts on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of at most `length` characters."""

    impl = String
    cache_ok = True

    def __init__(self, length: int | None) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        if self.length is not None and len(value) > self.length:
            raise InvalidField(f"text of {len(value)} characters where {self.length} are allowed")
        if "\0" in value:
            raise InvalidField("text with a NUL character")
        _refuse_half_characters(value)
        return value


class LongText(Words):
    """Text of any length."""

    impl = Text
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(None)


def dump_json(value: object) -> str:
    """JSON that both databases take. Raises: InvalidField for NUL, half characters, NaN."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise InvalidField("a number that JSON does not have") from error
    if _ESCAPED_NUL.search(text):
        raise InvalidField("text with a NUL character")
    _refuse_half_characters(text)
    return text


def _refuse_half_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidField("text with half a character (a lone surrogate)") from error


def json_type() -> TypeEngine[Any]:
    """JSONB on PostgreSQL as seed 002 has it. A new one each time: changes are tracked by type."""
    return JSON().with_variant(JSONB(), "postgresql")
