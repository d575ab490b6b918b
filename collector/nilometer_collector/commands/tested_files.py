"""Reads files of `nilometer backtest`: alerters and incidents, in YAML, TOML or JSON.

A file of alerters has the schema of the collector's settings: `alerters` and `watch`, in the section
`collector` if there are sections. It may also be a single alerter in the form of the HTTP API.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from nilometer.settings.files import MAX_BYTES, is_sectioned, read, section_of
from nilometer.settings.mistakes import sentence
from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.commands.lines import Step, line_of, steps_of
from nilometer_collector.settings import CollectorSettings

_SHOWN = re.compile(r"^([^\s:=]+)(?: =|:)")  # the path at the start of a message
_KEY = re.compile(r": ([a-z][a-z_]*) = ")  # the key in ``alerter 'x': key = value: must be ...``

F = TypeVar("F", bound=msgspec.Struct)


class AlerterFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a file of alerters: alerters, and settings of the default alerter."""

    alerters: tuple[AlerterDefinition, ...] = ()
    watch: tuple[WatchRule, ...] = ()


class MarkedIncident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident as a user writes it; times are ISO 8601 or Unix seconds."""

    start: str | float
    end: str | float
    name: str = ""
    entity: str | None = None


class IncidentFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a file of incidents."""

    incidents: tuple[MarkedIncident, ...]


def alerters_in(file: Path) -> AlerterFile:
    """Return the alerters and the settings of the default alerter in *file*.

    Raises:
        ConfigError: If it cannot be read, or something in it is wrong; the message names the file,
            the line and the key.
    """
    raw = _raw(file)
    sectioned = is_sectioned(raw)
    if sectioned:
        raw = section_of(file, raw, "collector")
    single = "kind" in raw
    others = {*CollectorSettings.__struct_fields__} - {*AlerterFile.__struct_fields__}
    given = {"alerters": [raw]} if single else {k: v for k, v in raw.items() if k not in others}
    before: tuple[Step, ...] = ("collector",) if sectioned else ()
    found = _checked(AlerterFile, given, file, lambda steps: _place(before, steps, single=single))
    if not found.alerters and not found.watch:
        raise ConfigError(f"{file}:1: alerters: is missing: the file has no alerter to test")
    _check(found, lambda steps: f"{file}:{_line(file, _place(before, steps, single=single))}")
    return found


def _check(found: AlerterFile, place: Callable[[tuple[Step, ...]], str]) -> None:
    """Check the rules that the types of the structures do not express.

    Raises:
        ConfigError: If something is wrong; the message begins with its place.
    """
    names: set[tuple[str, str]] = set()
    for at, definition in enumerate(found.alerters):
        name = (definition.entity, definition.name)
        if name in names:
            raise ConfigError(
                f"{place(('alerters', at, 'name'))}: alerters[{at}].name = {name[1]!r}: {name[0]} has two "
                "alerters of this name"
            )
        names.add(name)
        try:
            alerter_of(definition)
        except ConfigError as error:
            key = _KEY.search(str(error))
            steps = ("alerters", at, *((key[1],) if key else ()))
            raise ConfigError(f"{place(steps)}: {error}") from error
    for at, rule in enumerate(found.watch):
        try:
            rule.check()
        except ConfigError as error:
            key = _SHOWN.search(str(error))
            steps = ("watch", at, *((key[1],) if key else ()))
            raise ConfigError(f"{place(steps)}: {error}") from error


def incidents_in(file: Path) -> tuple[MarkedIncident, ...]:
    """Return the incidents in *file*.

    Raises:
        ConfigError: For the same reasons as `alerters_in`.
    """
    raw = _raw(file)
    listed = raw.get("incidents")
    if isinstance(listed, list):
        raw["incidents"] = [_texts(one) if isinstance(one, Mapping) else one for one in listed]
    return _checked(IncidentFile, raw, file, lambda steps: steps).incidents


def line_in(file: Path, at: int, key: str) -> str:
    """Return the place of a key of the incident number *at* in *file*, for a message."""
    return f"{file}:{_line(file, ('incidents', at, key))}"


def _raw(file: Path) -> dict[str, object]:
    if file.suffix.lower() != ".json":
        return read(file)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}: is over {MAX_BYTES} bytes")
        raw = json.loads(file.read_text("utf-8"), object_pairs_hook=_once)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}:{error.lineno}: is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{file}:1: the top level must be an object")
    return raw


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} appears twice")
        found[key] = value
    return found


def _checked(
    kind: type[F],
    raw: Mapping[str, object],
    file: Path,
    place: Callable[[tuple[Step, ...]], tuple[Step, ...]],
) -> F:
    try:
        return msgspec.convert(dict(raw), kind, strict=False)
    except msgspec.ValidationError as error:
        why = sentence(kind, raw, error)
        shown = _SHOWN.match(why)
        steps = steps_of(shown[1]) if shown else ()
        raise ConfigError(f"{file}:{_line(file, place(steps))}: {why}") from error


def _place(before: tuple[Step, ...], steps: tuple[Step, ...], *, single: bool) -> tuple[Step, ...]:
    """Return where *steps* are in the file: in a section, or an alerter that is the whole file."""
    return (*before, *(steps[2:] if single else steps))


def _line(file: Path, steps: tuple[Step, ...]) -> int:
    return line_of(file.read_text("utf-8"), file.suffix.lower(), steps)


def _texts(incident: Mapping[str, object]) -> dict[str, object]:
    """Return *incident* with native TOML and YAML times converted to texts."""
    return {
        key: value.isoformat() if isinstance(value, datetime | date) else value
        for key, value in incident.items()
    }
