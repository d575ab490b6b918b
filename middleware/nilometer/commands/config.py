"""`nilometer config`: checks a settings file, or prints the effective settings."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nilometer.commands.unread import warn_of_unread_variables
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.settings.components import CONFIG_VARIABLE, installed
from nilometer.settings.files import SECTIONS, is_sectioned, outside_sections, read
from nilometer.settings.problems import problems
from nilometer.settings.settings import Settings, checked, given, section_name
from nilometer.values.errors import ConfigError

SECRET = re.compile(r"(webhook_url|store|token|secret|password|key)$")
SECRETS = "secrets"  # a table of secrets, such as that of a channel
HIDDEN = "(set, not shown)"
EXIT_WRONG = 2
IN_THE_CODE = "given-in-the-code"  # placeholder for an entity that the server's code sets


def components() -> dict[str, tuple[str, type[Settings]]]:
    """Return the prefix and the settings of every installed component, by section."""
    found: dict[str, tuple[str, type[Settings]]] = {"middleware": (PREFIX, CaptureSettings)}
    found |= {
        name: (prefix, kind)
        for name, (prefix, kind) in installed().items()
        if issubclass(kind, Settings)
    }
    return dict(sorted(found.items()))


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer config`."""
    parser = subparsers.add_parser(
        "config",
        help="check a settings file, or print the effective settings",
        description="Read settings from a file (TOML or YAML) and NILOMETER_* variables, as the "
        "components do, and check or print them. Writes to standard output only, and shows no "
        "secrets.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    names = [*components()]
    check = actions.add_parser(
        "check",
        help="report every mistake in a file; exit code 2 if there is any",
        description="Read a settings file without starting anything. Writes to standard output "
        "only.",
    )
    check.add_argument("file", type=Path, help="settings file, TOML or YAML")
    check.add_argument("--component", choices=names, help="component of a file without sections")
    check.set_defaults(run=_check)
    show = actions.add_parser(
        "print",
        help="print settings as TOML",
        description="Print the settings in a file and in the environment; with --effective also "
        "the defaults. Writes to standard output only.",
    )
    show.add_argument("--config", type=Path, metavar="FILE", help="settings file, TOML or YAML")
    show.add_argument("--component", choices=names, help="print one component; default: all")
    show.add_argument("--effective", action="store_true", help="include the defaults")
    show.set_defaults(run=_print)


def _check(arguments: argparse.Namespace) -> int:
    raw = read(arguments.file)
    found = outside_sections(raw) if is_sectioned(raw) else []
    names = []
    for name, settings in _parts(arguments, raw).items():
        if name in components():
            _, kind = components()[name]
            found += [f"{name}: {line}" for line in problems(kind, settings, _defaults(name))]
            names.append(name)
        else:
            found.append(f"[{name}]: cannot be checked: {name} is not installed here")
    for line in found:
        print(f"nilometer: {line}", file=sys.stderr)
    if found:
        return EXIT_WRONG
    print(f"{arguments.file}: fine ({', '.join(sorted(names))})")
    return 0


def _parts(
    arguments: argparse.Namespace, raw: Mapping[str, object]
) -> dict[str, Mapping[str, object]]:
    """Return the settings of *raw* for each component that it configures.

    Raises:
        ConfigError: If it is not clear which component the file is for.
    """
    if is_sectioned(raw):
        return {
            name: part
            for name, part in raw.items()
            if isinstance(part, Mapping) and name in SECTIONS
        }
    if not arguments.component:
        raise ConfigError(
            f"settings file {arguments.file}: has none of the sections {', '.join(SECTIONS)}; add "
            "one, or name the component of the file with --component"
        )
    return {arguments.component: raw}


def _defaults(name: str) -> dict[str, object]:
    """Return values for settings that a file may omit: a server's code may set its entity."""
    return {"entity": IN_THE_CODE} if name == "middleware" else {}


def _print(arguments: argparse.Namespace) -> int:
    warn_of_unread_variables()
    shown = []
    file = arguments.config or _file_of_environment()
    raw = read(file) if file else {}
    for name, (prefix, kind) in components().items():
        if arguments.component not in {None, name}:
            continue
        if raw and not is_sectioned(raw) and arguments.component != name:
            continue  # the file has no sections, and no component is named
        told = given(kind, prefix=prefix, file=file)
        if arguments.effective:
            settings = _loaded(name, kind, prefix, file, environment=dict(os.environ))
            told = msgspec.to_builtins(settings)
        shown.append(_section(name, told))
    if not shown:
        raise ConfigError("the file has no sections: name its component with --component")
    print("\n\n".join(shown))
    return 0


def _file_of_environment() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else None


def _loaded(
    name: str, kind: type[Settings], prefix: str, file: Path | None, environment: Mapping[str, str]
) -> Settings:
    """Return the settings of a component; a server's code may set its entity."""
    told = given(kind, prefix=prefix, file=file, environment=environment)
    try:
        return checked(kind, {**_defaults(name), **told})
    except ConfigError as error:
        raise ConfigError(f"{section_name(prefix)}: {error}") from error


def _section(name: str, told: Mapping[str, object]) -> str:
    lines = [f"[{name}]"]
    lines += [f"{key} = {_toml(_shown(key, value))}" for key, value in told.items()]
    return "\n".join(lines)


def _shown(key: str, value: object) -> object:
    """Return the *value* of *key* without the secrets in it."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if key == SECRETS else _shown(name, one) for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_shown("", one) for one in value]
    return HIDDEN if value and SECRET.search(key) else value


def _toml(value: object) -> str:
    """Return *value* as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            pairs = (f"{json.dumps(str(key))} = {_toml(one)}" for key, one in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return repr(value)
