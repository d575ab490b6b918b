"""`nilometer config`: check a settings file, or print what is in force."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.settings.files import is_sectioned, read
from nilometer.settings.settings import CONFIG_VARIABLE, Settings, given, load, section_name
from nilometer.values.errors import ConfigError

# The components that are installed: `PREFIX` stands beside each class.
GROUP = "nilometer.settings"
SECRET = re.compile(r"(webhook_url|token|secret|password|key)$")
HIDDEN = "(set, not shown)"
IN_THE_CODE = "given-in-the-code"  # the entity of a server, where no file and no variable has it


def components() -> dict[str, tuple[str, type[Settings]]]:
    """Prefix and settings of every installed component, by section."""
    found: dict[str, tuple[str, type[Settings]]] = {"middleware": (PREFIX, CaptureSettings)}
    for entry in entry_points(group=GROUP):
        kind = entry.load()
        found[entry.name] = (sys.modules[kind.__module__].PREFIX, kind)
    return dict(sorted(found.items()))


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer config`."""
    parser = subparsers.add_parser(
        "config",
        help="check a settings file, or print what is in force",
        description="Read settings as the components do - a file (TOML or YAML), then NILOMETER_* - "
        "and say what is wrong, or what is in force. Writes to standard output only; secrets are "
        "not shown.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    names = [*components()]
    check = actions.add_parser(
        "check",
        help="say what is wrong with a file; exit code 2 if anything is",
        description="Read a settings file without starting anything. Writes to standard output "
        "only.",
    )
    check.add_argument("file", type=Path, help="TOML or YAML")
    check.add_argument("--component", choices=names, help="whose file it is, if it has no sections")
    check.set_defaults(run=_check)
    show = actions.add_parser(
        "print",
        help="print settings as TOML",
        description="Print what a file and the environment say; with --effective the defaults, "
        "too. Writes to standard output only.",
    )
    show.add_argument("--config", type=Path, metavar="FILE", help="TOML or YAML")
    show.add_argument("--component", choices=names, help="only this one; default: all")
    show.add_argument("--effective", action="store_true", help="defaults too: all that is in force")
    show.set_defaults(run=_print)


def _check(arguments: argparse.Namespace) -> int:
    raw = read(arguments.file)
    known = components()
    if is_sectioned(raw):
        names = [name for name in known if name in raw]
        missing = sorted(set(raw) - set(known))
        if missing:
            raise ConfigError(f"settings file {arguments.file}: {missing[0]} is not installed here")
    elif arguments.component:
        names = [arguments.component]
    else:
        raise ConfigError(
            f"settings file {arguments.file}: has no sections; say whose it is with --component"
        )
    for name in names:
        prefix, kind = known[name]
        _loaded(name, kind, prefix, arguments.file, environment={})
    print(f"{arguments.file}: fine ({', '.join(names)})")
    return 0


def _print(arguments: argparse.Namespace) -> int:
    shown = []
    file = arguments.config or _file_of_environment()
    raw = read(file) if file else {}
    for name, (prefix, kind) in components().items():
        if arguments.component not in {None, name}:
            continue
        if raw and not is_sectioned(raw) and arguments.component != name:
            continue  # the file is one component's, and nobody said whose
        told = given(kind, prefix=prefix, file=file)
        if arguments.effective:
            settings = _loaded(name, kind, prefix, file, environment=dict(os.environ))
            told = msgspec.to_builtins(settings)
        shown.append(_section(name, told))
    if not shown:
        raise ConfigError("the file has no sections; say whose it is with --component")
    print("\n\n".join(shown))
    return 0


def _file_of_environment() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else None


def _loaded(
    name: str, kind: type[Settings], prefix: str, file: Path | None, environment: Mapping[str, str]
) -> Settings:
    """The settings of a component; the entity of a server may come from its code."""
    arguments = {}
    if name == "middleware" and "entity" not in given(
        kind, prefix=prefix, file=file, environment=environment
    ):
        arguments = {"entity": IN_THE_CODE}
    try:
        return load(kind, prefix=prefix, file=file, environment=environment, arguments=arguments)
    except ConfigError as error:
        raise ConfigError(f"{section_name(prefix)}: {error}") from error


def _section(name: str, told: Mapping[str, object]) -> str:
    lines = [f"[{name}]"]
    for key, value in told.items():
        hidden = value and SECRET.search(key)
        lines.append(f"{key} = {_toml(HIDDEN if hidden else value)}")
    return "\n".join(lines)


def _toml(value: object) -> str:
    """*value* as TOML on one line."""
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
