"""Generate docs/settings.md and the option types from the settings classes; --check only compares.

docs/settings.md lists the settings of every component. capture/options.py holds `CaptureOptions`, the
keywords of the middleware and the other ways to capture, for type checkers and editors.
"""

import argparse
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import msgspec

from nilometer.handoff.settings import CaptureSettings
from nilometer.settings.settings import Settings
from nilometer_agent.proxy.settings import ProxySettings
from nilometer_agent.settings import AgentSettings
from nilometer_collector.settings import CollectorSettings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
OPTIONS = ROOT / "middleware" / "nilometer" / "capture" / "options.py"
WIDTH = 100  # line length of generated code
EMPTY = frozenset({'`""`', "`{}`", "`[]`"})  # defaults that are not shown to editors
COMPONENTS: tuple[tuple[str, str, type[Settings], str], ...] = (
    (
        "The middleware",
        "NILOMETER_",
        CaptureSettings,
        "Keywords of `NilometerMiddleware`, or variables.",
    ),
    ("The agent", "NILOMETER_AGENT_", AgentSettings, "`nilometer agent --config FILE`."),
    (
        "A proxy of the agent",
        "",
        ProxySettings,
        "`[[proxy]]` in the agent's file. A proxy also accepts the settings of the middleware.",
    ),
    (
        "The collector",
        "NILOMETER_COLLECTOR_",
        CollectorSettings,
        "`nilometer collector --config FILE`.",
    ),
)


def meanings(kind: type[Settings]) -> dict[str, str]:
    """Return the description of each setting, from the Attributes of the class."""
    text = inspect.getdoc(kind) or ""
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:")[2].splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return {key: value.replace("``", "`") for key, value in found.items()}


def default(field: msgspec.structs.FieldInfo) -> str:
    """Return the default of a setting, as written in TOML."""
    if field.required:
        return "must be given"
    value = field.default
    if value is msgspec.NODEFAULT:
        factory = field.default_factory
        value = factory() if callable(factory) else None
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{[*value]}`".replace("'", '"')
    return f"`{value!r}`".replace("'", '"')


def page() -> str:
    """Return the text of docs/settings.md."""
    head = (
        "# Settings\n\nGenerated from the code by `make settings`. A file (TOML or YAML) is read first, "
        "then the environment,\nthen arguments; the last one wins. A variable is the prefix and the "
        "key in capitals; lists are `a,b`,\nmappings `k=v,k=v`. Lists of tables, and mappings to lists or "
        "mappings, are JSON. Durations are seconds, sizes\nbytes. A key that does not exist stops the start.\n\n"
        "The file is named by `--config`, or for all components by `NILOMETER_CONFIG`, an absolute path. One file may "
        "hold all of\nthem, in sections:\n\n"
        "```yaml\nmiddleware:\n  labels: {region: eu}\nagent:\n  collector: collector:7501\n"
        "collector:\n  database: /var/lib/nilometer/collector.db\n```\n\n"
        "`nilometer config check FILE` reports every mistake in a file, one line each: the key, the value, "
        "what is\nallowed, and the nearest known name. `nilometer config print --effective` shows the settings "
        "in use, with\nsecrets hidden.\n\n"
        "Some mistakes do not stop the start. A warning names each of them, with the nearest known name:\n\n"
        "- A variable that no component reads, such as `NILOMETER_WINDOW_SECONDS`, which lacks `AGENT_`. Only the "
        "middleware\n  refuses it, because it begins with the middleware's prefix.\n"
        "- A `collector` that does not answer when the agent starts. The agent keeps its rows until it does.\n"
        "- A summary or a reference in an alerter that does not exist: the response to the `PUT` has them as "
        "`warnings`, and\n  the collector logs them for alerters of its file.\n"
    )
    parts = [head]
    for title, prefix, kind, how in COMPONENTS:
        said = meanings(kind)
        rows = [
            f"| `{field.encode_name}` | {default(field)} | {said[field.encode_name]} |"
            for field in msgspec.structs.fields(kind)
            if field.encode_name in said
        ]
        variables = f" Variables begin with `{prefix}`." if prefix else ""
        parts.append(
            f"\n## {title}\n\n{how}{variables}\n\n"
            "| setting | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "".join(parts)


def accepted(kind: object) -> str:
    """Return the Python type of values that a caller may pass for a setting of type *kind*.

    Raises:
        TypeError: If the type is not supported here yet.
    """
    if isinstance(kind, type) and kind in {int, float, str}:
        return kind.__name__
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return accepted(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(json.dumps, arguments))}]"
    if origin is tuple and arguments[1:] == (...,):
        # Not Sequence: a str is a Sequence, but a setting with several values does not accept it.
        item = accepted(arguments[0])
        return f"list[{item}] | tuple[{item}, ...]"
    if origin is dict:
        return f"Mapping[{', '.join(map(accepted, arguments))}]"
    raise TypeError(f"{kind!r}: add the type that a caller may pass for it")


def options() -> str:
    """Return the module with the capture options."""
    head = (
        '"""The options of what captures, for type checkers and editors.\n\n'
        "Generated from `CaptureSettings` by `make settings`. Every option may be missing: what is not "
        "given\ncomes from a settings file or from ``NILOMETER_*``.\n"
        '"""\n\n'
        "from collections.abc import Mapping\nfrom typing import Literal, TypedDict\n\n\n"
        "class CaptureOptions(TypedDict, total=False):\n"
        '    """Keywords of `NilometerMiddleware`, `observe` and the interceptors."""\n'
    )
    said = meanings(CaptureSettings)
    parts = [head]
    for field in msgspec.structs.fields(CaptureSettings):
        name = field.encode_name
        parts.append(f"\n    {name}: {accepted(field.type)}\n{_docstring(said[name], field)}")
    return "".join(parts)


def _docstring(meaning: str, field: msgspec.structs.FieldInfo) -> str:
    """*meaning* and the default as a docstring of an attribute, wrapped."""
    shown = default(field)
    text = meaning if field.required or shown in EMPTY else f"{meaning} Default: {shown}."
    indent = " " * 4
    on_one_line = f'{indent}"""{text}"""\n'
    if len(on_one_line) <= WIDTH:
        return on_one_line
    wrapped = textwrap.fill(
        f'"""{text}',
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f'{wrapped}\n{indent}"""\n'


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    check = parser.parse_args().check
    for target, text in ((PAGE, page()), (OPTIONS, options())):
        name = target.relative_to(ROOT)
        if not check:
            target.write_text(text)
        elif target.read_text() != text:
            sys.exit(f"{name} differs from the code; run `make settings`")
        else:
            print(f"{name} is up to date")


if __name__ == "__main__":
    main()
