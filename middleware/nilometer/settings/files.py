"""A settings file, TOML or YAML, for one component or - in sections - for all.

A file whose top level is nothing but sections named after components gives each its own; any other
file is one component's. A key that appears twice is an error in both formats.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nilometer.values.errors import ConfigError

SECTIONS = ("agent", "collector", "middleware")
MAX_BYTES = 4 << 20  # a file over it is no settings file
FORMATS = (".toml", ".yaml", ".yml")


def read(file: Path) -> dict[str, object]:
    """Everything in *file*.

    Raises:
        ConfigError: With one line that says what is wrong.
    """
    if file.suffix.lower() not in FORMATS:
        raise ConfigError(f"settings file {file}: must end in one of {', '.join(FORMATS)}")
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"settings file {file}: is over {MAX_BYTES} bytes")
        text = file.read_text("utf-8")
        raw = tomllib.loads(text) if file.suffix.lower() == ".toml" else _yaml(file, text)
    except OSError as error:
        raise ConfigError(f"settings file {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"settings file {file}: {why}") from error
    return raw


def section_of(raw: Mapping[str, object], section: str) -> dict[str, object]:
    """What *raw* says to the component of *section*: all of it, where it has no sections."""
    if not is_sectioned(raw):
        return dict(raw)
    found = raw.get(section, {})
    return dict(found) if isinstance(found, Mapping) else {}


def is_sectioned(raw: Mapping[str, object]) -> bool:
    """Whether *raw* holds sections of components and nothing else."""
    return bool(raw) and all(
        key in SECTIONS and isinstance(value, Mapping) for key, value in raw.items()
    )


def _yaml(file: Path, text: str) -> dict[str, object]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"settings file {file}: YAML needs pyyaml: pip install 'nilometer[agent]'"
        ) from error

    class Strict(yaml.SafeLoader):
        """Plain values only; no key twice, and no value that stands in two places."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise ValueError(f"line {mark.line + 1}: aliases are not taken")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for position, key in enumerate(keys):
                if key in keys[:position]:
                    line = node.value[position][0].start_mark.line + 1
                    raise ValueError(f"line {line}: {key!r} appears twice")
            return super().construct_mapping(node, deep)

    try:
        raw = yaml.load(text, Strict)  # noqa: S506  a safe loader, made stricter
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ValueError("the top level must be settings, as key: value")
    return raw
