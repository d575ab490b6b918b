"""Finds the line of a key in a YAML, JSON or TOML file, for error messages."""

import re
from collections.abc import Sequence
from typing import TypeAlias

import yaml

Step: TypeAlias = str | int  # key of a table, or index of a list

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')\s*=")
_PATH = re.compile(r'([A-Za-z0-9_-]+)|"([^"]*)"|\[(\d+)\]')


def steps_of(path: str) -> tuple[Step, ...]:
    """Return the steps of a path in the form of error messages, such as ``alerters[0].threshold``.

    >>> steps_of('watch[1].tolerances."input.amount"')
    ('watch', 1, 'tolerances', 'input.amount')
    """
    return tuple(
        int(match[3]) if match[3] is not None else match[1] or match[2]
        for match in _PATH.finditer(path)
    )


def line_of(text: str, suffix: str, steps: Sequence[Step]) -> int:
    """Return the line, from 1, of the value at *steps*, or of its innermost parent that exists.

    Args:
        text: Content of the file, which can be parsed.
        suffix: End of its name: ``.toml``, ``.yaml``, ``.yml`` or ``.json``.
        steps: Keys and indexes from the top level on.
    """
    return _line_of_toml(text, steps) if suffix == ".toml" else _line_of_yaml(text, steps)


def _line_of_yaml(text: str, steps: Sequence[Step]) -> int:
    """Return the line in YAML; this also works for JSON, because JSON is YAML."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:  # JSON with tabs is not YAML
        return 1
    line = 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                return line
            key, node = found
            line = key.start_mark.line + 1
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _line_of_toml(text: str, steps: Sequence[Step]) -> int:
    """Return the line in TOML. Inside an inline table, it is the line of the table's key."""
    table: list[Step] = []
    counts: dict[tuple[Step, ...], int] = {}
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None:
            table = []
            names = steps_of(header[2])
            for place, name in enumerate(names):
                table.append(name)
                last = place == len(names) - 1
                path = tuple(table)
                if last and header[1] == "[[":
                    counts[path] = counts.get(path, -1) + 1
                if path in counts:
                    table.append(counts[path])
            here = table
        elif key is not None:
            here = [*table, key[1].strip("\"'")]
        else:
            continue
        shared = _shared(here, steps)
        if shared == len(here) and shared > depth:
            best, depth = number, shared
    return best


def _shared(one: Sequence[Step], other: Sequence[Step]) -> int:
    """Return the number of equal steps at the start."""
    equal = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        equal += 1
    return equal
