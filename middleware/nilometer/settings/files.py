"""Reads settings files, TOML or YAML, for one component, or for several with sections.

If a file has a section with the name of a component, it contains only sections, one for each
component. Any other file is for one component. A key that appears twice is an error in both
formats.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nilometer.values.errors import ConfigError
from nilometer.values.nearest import did_you_mean

SECTIONS = ("agent", "collector", "middleware")
MAX_BYTES = 4 << 20  # a larger file is not a settings file
FORMATS = (".toml", ".yaml", ".yml")


def read(file: Path) -> dict[str, object]:
    """Return the whole content of *file*.

    Raises:
        ConfigError: If the file cannot be read; the message is one line with the reason.
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


def section_of(file: Path, raw: Mapping[str, object], section: str) -> dict[str, object]:
    """Return the settings of *raw* for one component; all of them if there are no sections.

    Args:
        file: Path of the file, for the error.
        raw: Content of the file.
        section: Name of the section of the component.

    Raises:
        ConfigError: If the file contains keys that are not sections.
    """
    if not is_sectioned(raw):
        return dict(raw)
    if wrong := outside_sections(raw):
        raise ConfigError(f"settings file {file}: {wrong[0]}")
    found = raw.get(section)
    return dict(found) if isinstance(found, Mapping) else {}


def is_sectioned(raw: Mapping[str, object]) -> bool:
    """Return whether *raw* has a section of a component; an empty YAML section is None."""
    return any(isinstance(raw.get(key, 0), Mapping | None) for key in SECTIONS)


def outside_sections(raw: Mapping[str, object]) -> list[str]:
    """Return a line for each key that is not a section, if the file has sections."""
    found = []
    for key, value in raw.items():
        if key not in SECTIONS:
            hint = did_you_mean(key, SECTIONS)
            found.append(
                f"[{key}]: there is no such section{hint} (the sections are {', '.join(SECTIONS)})"
                if isinstance(value, Mapping)
                else f"{key}: must be in one of the sections {', '.join(SECTIONS)}"
            )
        elif not isinstance(value, Mapping | None):
            found.append(f"{key} = {value!r}: must be a section, with settings of its own")
    return found


def _yaml(file: Path, text: str) -> dict[str, object]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"settings file {file}: YAML needs pyyaml: pip install 'nilometer[agent]'"
        ) from error

    class Strict(yaml.SafeLoader):
        """Loads plain values only; rejects repeated keys, and references to other values."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise ValueError(f"line {mark.line + 1}: aliases are not allowed")
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
