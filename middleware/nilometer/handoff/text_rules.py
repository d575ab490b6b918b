"""Replaces text by pattern: the rules of `redact_values`."""

import re
from collections.abc import Callable, Sequence

from nilometer.values.errors import ConfigError
from nilometer.values.redacted import REDACTED
from nilometer.values.value_patterns import VALUE_PATTERNS

LEAST_DIGITS = 10**6  # a smaller integer does not identify a person

Pattern = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def value_patterns(rules: Sequence[str]) -> tuple[Pattern, ...]:
    """Return the compiled rules of `redact_values`.

    Raises:
        ConfigError: If a rule is neither a built-in kind nor a regular expression.
    """
    patterns: list[Pattern] = []
    for rule in rules:
        try:
            expression = re.compile(VALUE_PATTERNS.get(rule, rule))
        except re.error as error:
            raise ConfigError(
                f"redact_values = {rule!r}: must be one of {', '.join(VALUE_PATTERNS)}, or a "
                f"regular expression: {error}"
            ) from error
        patterns.append((expression, _card if rule == "card" else _always))
    return tuple(patterns)


class TextRules:
    """Replaces the text that matches a rule.

    Args:
        rules: Names of built-in kinds, and regular expressions.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        self._patterns = value_patterns(rules)

    def text(self, text: str) -> str:
        """Return the redacted *text*."""
        for expression, replace in self._patterns:
            text = expression.sub(replace, text)
        return text

    def number(self, number: int) -> int | str:
        """Return *number*, or the marker if its digits match a rule."""
        if not self._patterns or abs(number) < LEAST_DIGITS:
            return number
        return number if self.text(str(number)) == str(number) else REDACTED


def _always(match: re.Match[str]) -> str:
    del match
    return REDACTED


def _card(match: re.Match[str]) -> str:
    """Return the marker if the number has a card's check digit (Luhn), otherwise the number."""
    digits = [int(digit) for digit in match[0] if digit.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return REDACTED if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]
