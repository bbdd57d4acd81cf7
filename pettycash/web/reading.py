"""Requests are read strictly: what can be read in two ways is not read at all."""

import json
from typing import Any, NoReturn

from pettycash.runtime import errors


class BrokenJson(errors.BadRequest):
    """The body is not JSON, or JSON that two readers would understand differently."""

    code = "request.broken_json"


class UnreadableText(errors.BadRequest):
    """A text holds a character that can't be stored: NUL, or half of a surrogate pair."""

    code = "request.unreadable_text"


class GivenTwice(errors.RuleViolation):
    """A parameter, header or file part was given twice; send it once."""

    code = "request.given_twice"


def given_twice(*names: str) -> GivenTwice:
    """The refusal of what stands twice, by name."""
    return GivenTwice(errors={name: ["It stands twice; one is taken."] for name in names})


def _refuse_constant(word: str) -> NoReturn:
    raise BrokenJson(f"{word} is not JSON.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenJson("A name stands twice in one JSON object.")
    return found


def parse_json(raw: bytes) -> Any:
    """Read strict JSON: UTF-8, no NaN, no name twice, no text that PostgreSQL can't store.

    A byte order mark in front, as Windows editors write it, says nothing and is passed over.

    Raises:
        BrokenJson: it is none of that, or nested too deeply.
        UnreadableText: a NUL or a lone surrogate stands in a string.
    """
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise BrokenJson("The body is not valid JSON.") from error
    # Only an escape can smuggle these in: raw ones are no valid UTF-8 or no valid JSON.
    if "\\u" in text:
        _check_text(json.dumps(value, ensure_ascii=False))
    return value


def _check_text(text: str) -> None:
    # json.dumps leaves a surrogate as it is and writes NUL as an escape.
    if "\\u0000" in text.replace("\\\\", "") or any("\ud800" <= each <= "\udfff" for each in text):
        raise UnreadableText
