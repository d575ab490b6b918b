"""Settings: one frozen structure a component, from a file, the environment, and arguments.

Later sources win. An unknown key or a value that is not allowed stops the start with one line
that names the key, the value and what is allowed.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from nilometer.settings.files import read, section_of
from nilometer.values.errors import ConfigError


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A component's settings. Durations are seconds, sizes bytes, and the name says so."""


S = TypeVar("S", bound=Settings)

_AT = re.compile(r"^(?P<why>.*?)(?: - at `\$(?P<path>.*)`)?$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`")


def load(
    kind: type[S],
    *,
    prefix: str,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> S:
    """The settings of *kind*.

    Args:
        kind: The structure.
        prefix: Of the environment variables, such as ``NILOMETER_AGENT_``; a variable is the
            prefix and the key in capitals.
        file: TOML or YAML; None takes the one that ``NILOMETER_CONFIG`` names, if any.
        environment: Where the variables are; the process's own by default.
        arguments: What the caller was told explicitly; None values are left out.

    Raises:
        ConfigError: With one line that says what is wrong.
    """
    raw = given(kind, prefix=prefix, file=file, environment=environment)
    raw.update({key: value for key, value in (arguments or {}).items() if value is not None})
    return checked(kind, raw)


def given(
    kind: type[Settings],
    *,
    prefix: str,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """What a file and the environment say to *kind*, by key, not checked yet.

    Raises:
        ConfigError: If the file cannot be read, or a variable names no setting.
    """
    variables = os.environ if environment is None else environment
    if file is None and variables.get(CONFIG_VARIABLE):
        file = Path(variables[CONFIG_VARIABLE])
    raw = section_of(read(file), section_name(prefix)) if file is not None else {}
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for variable, text in sorted(variables.items()):
        if variable.startswith(prefix) and not _of_another(variable, prefix):
            key = variable.removeprefix(prefix).lower()
            if key not in types and _SERVICE_LINK.fullmatch(variable):
                continue
            if key not in types:
                # Without its value: a misspelt secret is one.
                raise ConfigError(f"{variable}: there is no such setting; {_near(types)}")
            raw[key] = _from_text(variable, text, str(types[key]))
    return raw


def section_name(prefix: str) -> str:
    """The section of a file that is the component's of *prefix*."""
    return prefix.removeprefix("NILOMETER_").rstrip("_").lower() or "middleware"


def checked(kind: type[S], raw: Mapping[str, object]) -> S:
    """*raw* as settings of *kind*.

    Raises:
        ConfigError: With one line that names the key, the value and what is allowed.
    """
    try:
        return msgspec.convert(dict(raw), kind, strict=False)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        why, path = (found["why"], found["path"]) if found else (str(error), None)
        unknown = _UNKNOWN.search(why)
        if unknown:
            fields = {field.encode_name: None for field in msgspec.structs.fields(kind)}
            raise ConfigError(
                f"{unknown['field']}: there is no such setting; {_near(fields)}"
            ) from error
        key = (path or "").lstrip(".")
        value = _at(raw, key)
        allowed = _choices(kind, key) or why[:1].lower() + why[1:]
        raise ConfigError(f"{key or 'settings'} = {value!r}: {allowed}") from error


# Kubernetes tells every container of every Service of its namespace so, and one of them may be called
# "nilometer" or "nilometer-collector".
_SERVICE_LINK = re.compile(
    r"[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

# Longer prefixes of NILOMETER_ that belong to one component each.
COMPONENTS = ("NILOMETER_AGENT_", "NILOMETER_COLLECTOR_")
CONFIG_VARIABLE = "NILOMETER_CONFIG"  # names a file for every component that was given none


def _of_another(variable: str, prefix: str) -> bool:
    if variable == CONFIG_VARIABLE:
        return True
    return any(variable.startswith(other) for other in COMPONENTS if other != prefix)


def _from_text(variable: str, text: str, kind: str) -> object:
    """A variable's text: ``a,b`` for lists, ``k=v,k=v`` for mappings, JSON for lists of tables."""
    if "Settings" in kind:
        try:
            return msgspec.json.decode(text.encode())
        except msgspec.DecodeError as error:
            raise ConfigError(f"{variable}: must be a list of tables in JSON: {error}") from error
    if "tuple" in kind:
        return [part for part in text.split(",") if part]
    if "dict" in kind:
        pairs = [part.partition("=") for part in text.split(",") if part]
        if not all(separator for _, separator, _ in pairs):
            raise ConfigError(f"{variable} = {text!r}: must be key=value,key=value")
        return {key: value for key, _, value in pairs}
    return text


def _choices(kind: type[Settings], key: str) -> str:
    """The values of a setting that is one of a few."""
    for field in msgspec.structs.fields(kind):
        if field.encode_name == key and get_origin(field.type) is Literal:
            return f"must be one of {', '.join(map(repr, get_args(field.type)))}"
    return ""


def _near(fields: Mapping[str, object]) -> str:
    return f"the settings are {', '.join(sorted(fields))}"


def _at(raw: Mapping[str, object], path: str) -> object:
    value: Any = raw
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part) if part.isdigit() else part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
