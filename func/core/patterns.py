"""Regular expressions and globs that match strings from outside in bounded time."""

from __future__ import annotations

import re
from typing import Any, Protocol, runtime_checkable

MAX_VALUE = 255  # characters of a value that a pattern looks at; GitHub's branch names and labels are shorter

# Expressions that the standard library matches in linear or quadratic time, which 255 characters bound: nothing that
# repeats contains a repetition, and at most two parts repeat without a limit. All others are left to RE2, whose
# import takes 16 ms of a cold start. Look-around and back-references do not fit: RE2 does not have them either.
_SIMPLE = re.compile(
    r"(?:(?:[\w /@#:=%,;~<>&!'\"-]|\\[-dwWDsS./+*?()\[\]{}^$|\\#]|\[\^?[\w .:/@#-]+\]|\.)[+*?]?|\((?:\?:)?|\)\??|\|)*",
    re.ASCII,
)
_UNLIMITED = re.compile(r"(?<!\\)[+*]")


class Match(Protocol):
    """A match of `re` or of RE2."""

    def group(self, index: int, /) -> str | Any:  # noqa: ANN401
        """Return what a group matched."""


@runtime_checkable
class Pattern(Protocol):
    """A compiled regular expression of `re` or of RE2."""

    @property
    def groups(self) -> int:
        """The number of groups."""

    @property
    def pattern(self) -> str | Any:  # noqa: ANN401
        """The text that was compiled."""

    def fullmatch(self, value: str, /) -> Match | None:
        """Match the whole value."""


def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    r"""Compile a regular expression that matches in linear time, whatever the pattern.

    Args:
        text: in RE2's syntax; `\d` and `\w` are ASCII.
        ignore_case: compare without case.

    Raises:
        ValueError: when RE2 cannot compile it, with RE2's words.

    Source: https://github.com/google/re2/wiki/Syntax
    """
    if _SIMPLE.fullmatch(text) and len(_UNLIMITED.findall(text)) <= 2:
        try:
            return re.compile(text, re.ASCII | (re.IGNORECASE if ignore_case else 0))
        except re.error as error:
            raise ValueError(str(error)) from None
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False  # it would write to standard error itself
    options.case_sensitive = not ignore_case
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        (words,) = error.args
        raise ValueError(words.decode(errors="replace") if isinstance(words, bytes) else str(words)) from None
    return compiled


def first_group(pattern: Pattern, value: str) -> str | None:
    """Return what the first group matches, or None where the pattern does not match the whole value."""
    match = pattern.fullmatch(value) if len(value) <= MAX_VALUE else None
    found = match.group(1) if match else None
    return found or None


def fits_glob(glob: str, value: str, *, ignore_case: bool = False) -> bool:
    """Return whether a glob matches the whole value: `*` is any text, `?` one character, all else is itself.

    Takes time proportional to the lengths of both, multiplied, whatever the glob.
    """
    if ignore_case:
        glob, value = glob.casefold(), value.casefold()
    at = position = 0
    star, resume = -1, 0  # the last star, and where its text ends so far
    while position < len(value):
        if at < len(glob) and glob[at] == "*":
            star, resume = at, position
            at += 1
        elif at < len(glob) and glob[at] in ("?", value[position]):
            at += 1
            position += 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return not glob[at:].strip("*")
