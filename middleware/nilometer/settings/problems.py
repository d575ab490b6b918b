"""Finds all mistakes in settings at once, for `nilometer config check`.

Settings are checked as a whole, and a check ends at the first mistake. To find the next mistake,
the value that caused the first one is removed, and the rest is checked again.
"""

import re
from collections.abc import Mapping

from nilometer.settings.mistakes import shown, without_one
from nilometer.settings.settings import Settings, checked
from nilometer.values.errors import ConfigError

_ITEM = re.compile(r"^(?P<key>\w+)\[(?P<index>\d+)\]")


def problems(
    kind: type[Settings], raw: Mapping[str, object], defaults: Mapping[str, object]
) -> list[str]:
    """Return a line for each mistake in *raw*; empty without mistakes.

    Args:
        kind: Structure of the settings.
        raw: Settings as read from a file.
        defaults: Values for required settings that the file may omit.
    """
    rest: _Rest | None = _Rest(kind, raw, defaults, {})
    found: list[str] = []
    while rest is not None and (line := rest.first_mistake()):
        found.append(line)
        rest = rest.without_cause(line)
    return found


class _Rest:
    """The settings that are not known to be wrong.

    Args:
        kind: Structure of the settings.
        raw: Remaining settings.
        defaults: Values for required settings that are missing in *raw*.
        numbers: Original indices of the items of a list, by key, if some items were removed.
    """

    def __init__(
        self,
        kind: type[Settings],
        raw: Mapping[str, object],
        defaults: Mapping[str, object],
        numbers: Mapping[str, list[int]],
    ) -> None:
        self._kind, self._raw, self._defaults, self._numbers = kind, raw, defaults, numbers

    def first_mistake(self) -> str:
        """Return the line for the first mistake; empty without mistakes."""
        try:
            checked(self._kind, {**self._defaults, **self._raw})
        except ConfigError as error:
            return _ITEM.sub(self._as_first_numbered, str(error))
        return ""

    def without_cause(self, line: str) -> "_Rest | None":
        """Return the settings without the smallest part that causes *line*; None if no part does.

        Removing a part may be a mistake itself, because a required part is missing or a default is
        wrong.
        """
        for steps, raw in without_one(self._raw):
            numbers = dict(self._numbers)
            key, index = str(steps[0]), steps[-1]
            if isinstance(index, int) and steps[:-1] == [key]:
                left = numbers.get(key) or list(range(len(_items(self._raw, key))))
                numbers[key] = left[:index] + left[index + 1 :]
            rest = _Rest(self._kind, raw, self._defaults, numbers)
            after = rest.first_mistake()
            path = _ITEM.sub(self._as_first_numbered, shown(steps))
            is_missing = after.startswith(f"{path}: is missing") or after.endswith(
                f"needs the parameter {steps[-1]!r}"  # parameter of an alerter's condition
            )
            if not is_missing and _subject(after) != _subject(line):
                return rest
        return None

    def _as_first_numbered(self, item: re.Match[str]) -> str:
        key, index = item["key"], int(item["index"])
        return f"{key}[{self._numbers[key][index] if key in self._numbers else index}]"


def _items(raw: Mapping[str, object], key: str) -> list[object]:
    value = raw[key]
    return value if isinstance(value, list) else []


def _subject(line: str) -> str:
    """Return the part of *line* before the value, which identifies the mistake."""
    return line.partition(" = ")[0]
