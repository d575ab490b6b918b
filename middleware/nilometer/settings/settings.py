"""Settings: one frozen structure per component, from a file, the environment, and arguments.

Later sources take precedence. An unknown key or a value that is not allowed prevents the start. The
error is one line with the key, the value, the allowed values, and the nearest known name.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, get_args, get_origin

import msgspec

from nilometer.settings.components import CONFIG_VARIABLE, belongs_to, is_service_link
from nilometer.settings.files import read, section_of
from nilometer.values.errors import ConfigError


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a component. Durations are seconds and sizes bytes, as the names say."""


S = TypeVar("S", bound=Settings)


def load(
    kind: type[S],
    *,
    prefix: str,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> S:
    """Return the settings of *kind*.

    Args:
        kind: Structure of the settings.
        prefix: Prefix of the environment variables, such as ``NILOMETER_AGENT_``. It is followed by
            the key in capitals.
        file: File in TOML or YAML; None uses the file that ``NILOMETER_CONFIG`` names, if it is
            set.
        environment: Environment variables; default: those of the process.
        arguments: Values that the caller gave explicitly; None values are left out.

    Raises:
        ConfigError: If a value is wrong; the message is one line with the reason.
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
    """Return the unchecked values for *kind* from a file and the environment, by key.

    Raises:
        ConfigError: If the file cannot be read, or a variable names no setting.
    """
    variables = os.environ if environment is None else environment
    if file is None and variables.get(CONFIG_VARIABLE):
        file = Path(variables[CONFIG_VARIABLE])
    raw = section_of(file, read(file), section_name(prefix)) if file is not None else {}
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for variable, text in sorted(variables.items()):
        if not belongs_to(variable, prefix):
            continue
        key = variable.removeprefix(prefix).lower()
        if key in types:
            raw[key] = _from_text(variable, text, types[key])
        elif not is_service_link(variable):
            from nilometer.settings.mistakes import unknown_variable  # rarely needed

            raise ConfigError(unknown_variable(variable, prefix, kind))
    return raw


def section_name(prefix: str) -> str:
    """Return the name of the section for the component of *prefix*."""
    return prefix.removeprefix("NILOMETER_").rstrip("_").lower() or "middleware"


def checked(kind: type[S], raw: Mapping[str, object]) -> S:
    """Return *raw* as settings of *kind*.

    Raises:
        ConfigError: If a value is wrong; the message gives the key, the value and the allowed
            values.
    """
    try:
        return msgspec.convert(dict(raw), kind, strict=False)
    except msgspec.ValidationError as error:
        from nilometer.settings.mistakes import sentence  # rarely needed

        raise ConfigError(sentence(kind, raw, error)) from error


def _from_text(variable: str, text: str, kind: object) -> object:
    """Parse a variable: ``a,b`` for lists, ``k=v,k=v`` for mappings, JSON for nested values."""
    if any(map(_holds_others, get_args(kind))):
        wanted = "a list of tables" if get_origin(kind) is tuple else "a table"
        try:
            return msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(f"{variable}: must be {wanted} in JSON: {error}") from error
    if get_origin(kind) is tuple:
        return [part for part in text.split(",") if part]
    if get_origin(kind) is dict:
        pairs = [part.partition("=") for part in text.split(",") if part]
        if not all(separator for _, separator, _ in pairs):
            raise ConfigError(f"{variable} = {text!r}: must be key=value,key=value")
        return {key: value for key, _, value in pairs}
    return text


def _holds_others(kind: object) -> bool:
    """Return whether values of type *kind* may be tables, mappings or lists."""
    return get_origin(kind) in {dict, tuple} or (
        isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    )
