"""Write docs/settings.md from the settings' own docstrings; with --check, compare."""

import argparse
import inspect
import re
import sys
from pathlib import Path

import msgspec

from nilometer.handoff.settings import CaptureSettings
from nilometer.settings.settings import Settings
from nilometer_agent.proxy.settings import ProxySettings
from nilometer_agent.settings import AgentSettings
from nilometer_collector.settings import CollectorSettings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
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
        "`[[proxy]]` in the agent's file. What the middleware takes counts here, too.",
    ),
    (
        "The collector",
        "NILOMETER_COLLECTOR_",
        CollectorSettings,
        "`nilometer collector --config FILE`.",
    ),
)


def meanings(kind: type[Settings]) -> dict[str, str]:
    """Each setting's sentence, from the Attributes of the class."""
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
    """The default, as one would write it in TOML."""
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
    """The whole page."""
    head = (
        "# Settings\n\nGenerated from the code by `make settings`. A file (TOML or YAML) is read first, "
        "then the environment,\nthen arguments; the last one wins. A variable is the prefix and the "
        "key in capitals; lists are `a,b`,\nmappings `k=v,k=v`. Durations are seconds, sizes bytes. "
        "A key that does not exist stops the start.\n\n"
        "The file is named by `--config`, or for all components by `NILOMETER_CONFIG`, an absolute path. One file may "
        "hold all of\nthem, in sections:\n\n"
        "```yaml\nmiddleware:\n  labels: {region: eu}\nagent:\n  collector: collector:7501\n"
        "collector:\n  database: /var/lib/nilometer/collector.db\n```\n\n"
        "`nilometer config check FILE` says what is wrong with one; `nilometer config print "
        "--effective` what is\nin force, secrets hidden.\n"
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


def main() -> None:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    if not parser.parse_args().check:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit("docs/settings.md differs from the code; run `make settings`")
    else:
        print("docs/settings.md is up to date")


if __name__ == "__main__":
    main()
