"""The error line for a mistake in settings: key, value, allowed values, nearest known name."""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from nilometer.settings.allowed import keys_of, must_be, type_at
from nilometer.settings.components import (
    NAMESPACE,
    belongs_to,
    installed,
    is_service_link,
    variables_of,
)
from nilometer.settings.files import SECTIONS
from nilometer.values.nearest import did_you_mean

Step: TypeAlias = str | int  # key of a table, or index of a list

_AT = re.compile(r"^(?P<why>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*)`)?$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>.*)`")
_STEPS = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<item>[^\]]*)\]")
SECRETS = "secrets"  # key of tables whose values are never shown
_SOME_KEY = "..."  # msgspec writes this in a path instead of a table's key


def sentence(
    kind: type[msgspec.Struct], raw: Mapping[str, object], error: msgspec.ValidationError
) -> str:
    """Return the line for *error*, which occurred when *raw* was converted to *kind*."""
    found = _AT.match(str(error))
    why, path = (found["why"], found["path"] or "") if found else (str(error), "")
    steps = _steps(kind, raw, path)
    key, value_type = shown(steps), type_at(kind, steps)
    if unknown := _UNKNOWN.search(why):
        name = unknown["field"]
        keys = sorted(keys_of(value_type))
        hint = did_you_mean(name, [*keys, *(() if steps else SECTIONS)])
        where = shown([*steps, name])
        return f"{where}: there is no such setting{hint} (the settings are {', '.join(keys)})"
    if missing := _MISSING.search(why):
        steps = [*steps, missing["field"]]
        return f"{shown(steps)}: is missing: {must_be(type_at(kind, steps), why)}"
    allowed = must_be(value_type, why[:1].lower() + why[1:])
    value = _value(raw, steps)
    if isinstance(value, Mapping | list) or SECRETS in steps:  # it may hold a secret
        return f"{key or 'settings'}: {allowed}"
    return f"{key or 'settings'} = {value!r}: {allowed}"


def unknown_variable(variable: str, prefix: str, kind: type[msgspec.Struct]) -> str:
    """Return the line for a variable that names no setting; its value may be a secret."""
    known = variables_of(prefix, kind)
    for other in installed().values():
        known += variables_of(*other)
    keys = ", ".join(sorted(kind.__struct_encode_fields__))
    hint = did_you_mean(variable, known)
    return f"{variable}: there is no such setting{hint} (the settings are {keys})"


def unread_variables(variables: Iterable[str], middleware: type[msgspec.Struct]) -> list[str]:
    """Return a line for each of the *variables* that looks like a setting but has no effect.

    Args:
        variables: Names of environment variables.
        middleware: Settings of the middleware, whose prefix applies if no longer prefix matches.
    """
    known = variables_of(NAMESPACE, middleware)
    strays = [
        variable
        for variable in sorted(variables)
        if belongs_to(variable, NAMESPACE)
        and variable not in known
        and not is_service_link(variable)
    ]
    if strays:
        for other in installed().values():
            known += variables_of(*other)
    return [
        f"{variable} sets nothing: no component of nilometer reads it"
        f"{did_you_mean(variable, known)}; docs/settings.md lists the settings"
        for variable in strays
    ]


def shown(steps: Iterable[Step]) -> str:
    """Return a path as text, such as ``proxy[0].listen``; keys that contain a dot are quoted."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += "." + (json.dumps(step, ensure_ascii=False) if "." in step else step)
    return text.removeprefix(".")


def without_one(raw: Mapping[str, object]) -> Iterator[tuple[list[Step], dict[str, object]]]:
    """Yield each path of *raw*, deepest first, with a copy of *raw* without that value."""
    for steps in _paths(raw):
        copied = copy.deepcopy(dict(raw))
        holder: Any = copied
        for step in steps[:-1]:
            holder = holder[step]
        del holder[steps[-1]]
        yield steps, copied


def _paths(value: object) -> Iterator[list[Step]]:
    """Yield the paths of all parts of *value*; inner parts come before outer parts."""
    items: Iterable[tuple[Step, object]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, part in items:
        yield from ([step, *inner] for inner in _paths(part))
        yield [step]


def _steps(kind: type[msgspec.Struct], raw: Mapping[str, object], path: str) -> list[Step]:
    """Return the steps of a path in msgspec's notation, which omits the keys of tables."""
    steps: list[Step] = []
    for match in _STEPS.finditer(path):
        if match["key"] is not None:
            steps.append(match["key"])
        elif match["item"] == _SOME_KEY:
            steps.append(_wrong_key(kind, raw, steps))
        else:
            steps.append(int(match["item"]))
    return steps


def _wrong_key(kind: type[msgspec.Struct], raw: Mapping[str, object], steps: list[Step]) -> str:
    """Return the first key of the table at *steps* that causes the error on its own."""
    table: Any = _value(raw, steps)
    for key in table:
        copied = copy.deepcopy(dict(raw))
        holder: Any = copied
        for step in steps[:-1]:
            holder = holder[step]
        holder[steps[-1]] = {key: table[key]}
        try:
            msgspec.convert(copied, kind, strict=False)
        except msgspec.ValidationError as error:
            if f"{shown(steps)}[{_SOME_KEY}]" in str(error):
                return str(key)
    return _SOME_KEY


def _value(raw: object, steps: Iterable[Step]) -> object:
    """Return the value at *steps*; None if it is missing."""
    value: Any = raw
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
