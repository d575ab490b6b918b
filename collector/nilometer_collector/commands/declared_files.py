"""Reads files of declared objects, and finds the line of a mistake that the collector reports."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from nilometer.values.errors import ConfigError
from nilometer.values.nearest import did_you_mean
from nilometer_collector.commands.declared_secrets import KINDS as SECRETIVE
from nilometer_collector.commands.declared_secrets import WrongSecret, with_secrets
from nilometer_collector.commands.lines import Step, steps_of
from nilometer_collector.declared.registered import FORMAT, KINDS

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 16 << 20  # largest file
MAX_EXACT = 1 << 53  # every JSON reader reads whole numbers below this exactly

_PLACE = re.compile(rf"\b({'|'.join(kind.plural for kind in KINDS)})\[(\d+)\]")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)  # as JSON writes it
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# A pair of surrogates; an even number of backslashes before it are characters of the text.
_PAIR = re.compile(
    r"((?<!\\)(?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
# Returns the tag that a node has by itself.
_resolved_tag: Callable[[type[yaml.Node], str | None, tuple[bool, bool]], str] = (
    yaml.resolver.Resolver().resolve
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a file.

    Attributes:
        file: File that contains it.
        node: Object in the file.
        number: Position in the list of its kind in the file, from 0.
    """

    file: Path
    node: yaml.Node
    number: int


@dataclass(slots=True)
class DeclaredFiles:
    """The objects of all files as one document.

    Attributes:
        parts: Objects of the files by key of the document, in the order of the document.
        document: The document, JSON values.
    """

    parts: dict[str, list[Part]] = field(default_factory=dict)
    document: dict[str, object] = field(default_factory=lambda: {"version": FORMAT})

    @property
    def count(self) -> int:
        """Number of objects."""
        return sum(map(len, self.parts.values()))

    def located(self, detail: str, place: str) -> str:
        """Return *detail*, an error of the collector, with the file and the line of *place*.

        Places in the document become places in the files.
        """
        steps = steps_of(place)
        part = self._part(steps)
        if part is None:
            listed = self.parts.get(place)
            return f"{listed[0].file}: {detail}" if listed else detail
        line = _line_in(part.node, steps[2:])
        first = True

        def in_file(match: re.Match[str]) -> str:
            nonlocal first
            known = self._part((match[1], int(match[2])))
            if known is None:
                return match[0]
            shown = f"{match[1]}[{known.number}]"
            is_first, first = first, False
            return shown if is_first else f"{known.file}:{_line_in(known.node, ())}: {shown}"

        return f"{part.file}:{line}: {_PLACE.sub(in_file, detail)}"

    def _part(self, steps: Sequence[Step]) -> Part | None:
        if len(steps) < 2 or not isinstance(steps[0], str) or not isinstance(steps[1], int):
            return None
        parts = self.parts.get(steps[0], [])
        return parts[steps[1]] if steps[1] < len(parts) else None


def read_files(paths: Sequence[Path]) -> DeclaredFiles:
    """Return the objects of all files.

    Args:
        paths: Files, and directories whose files with one of `SUFFIXES`, in lower or upper case, are read, by name.

    Raises:
        ConfigError: If a file or a directory cannot be read, or a file is not a document; the message names the file, the
            line and the key. If a directory contains something with one of `SUFFIXES` that is not a
            file, or a link to a directory. Hidden files, such as those of editors, are not read.
    """
    found = DeclaredFiles()
    for path in paths:
        for file in _files_of(path):
            _read(file, found)
    return found


def _files_of(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        files = sorted(_below(path))
    except OSError as error:  # what is left out would be pruned
        name = str(error.filename or path)
        shown = name if name.isprintable() else repr(name)
        raise ConfigError(f"{shown}: {error.strerror}") from error
    if not files:
        raise ConfigError(f"{path}: contains no file that ends in one of {', '.join(SUFFIXES)}")
    return files


def _below(path: Path) -> Iterator[Path]:
    """Yield the files in a directory and those below it.

    Raises:
        OSError: If one of the directories cannot be read.
    """
    for folder, folders, names in os.walk(path, onerror=_fail):
        # Kubernetes mounts the files of a ConfigMap once more in a hidden directory.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for one in (Path(folder, name) for name in folders):
            if one.is_symlink():
                raise ConfigError(f"{one}: is a link to a directory: name that directory itself")
        for one in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
            if one.suffix.lower() in SUFFIXES:
                _require_file(one)
                yield one


def _fail(error: OSError) -> None:
    raise error


def _require_file(path: Path) -> None:
    """Refuse what cannot be read to its end; leaving it out would let a prune remove objects."""
    if not path.is_file():
        why = "is a link to nothing" if path.is_symlink() else "is not a regular file"
        raise ConfigError(f"{path}: {why}")
    if not str(path).isprintable():
        raise ConfigError(f"{str(path)!r}: the name must have printable characters only")


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}: is over {MAX_BYTES} bytes")
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise ConfigError(f"{file}:{line}: is not UTF-8: byte {byte:#x}, {error.reason}") from error


def _read(file: Path, found: DeclaredFiles) -> None:
    text = _text_of(file)
    try:
        is_json = file.suffix.lower() == ".json"
        # The parser does not count the byte order mark.
        text = _yaml_of_json(text) if is_json else text.removeprefix("\ufeff")
        is_empty = True
        for node in yaml.compose_all(text, _LOADER):
            _take(file, node, found)
            is_empty = False
        if is_empty:
            raise ConfigError(f"{file}: contains no document")
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}:{error.lineno}: is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        # Not by line and column: to YAML, U+2028 and others end a line, too.
        is_tab = mark and text[mark.index : mark.index + 1] == "\t"
        problem = "a tab: indent with spaces" if is_tab else error.problem or error.context
        raise ConfigError(f"{file}{line}: is not YAML: {problem}") from error
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"{file}:{at}: is not YAML: character {error.character:#x} is not allowed"
        ) from error


def _yaml_of_json(text: str) -> str:
    """Return JSON as YAML with the same lines.

    YAML 1.1 does not know tabs between values, or characters that are escaped as two surrogates.

    Raises:
        JSONDecodeError: If *text* is not JSON.
    """
    json.loads(text, parse_constant=_refuse_constant)
    return _PAIR.sub(lambda match: match[1] + json.loads(f'"{match[2]}"'), text).replace("\t", " ")


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is not a number of JSON", "", 0)


def _take(file: Path, node: yaml.Node, found: DeclaredFiles) -> None:
    """Add the objects of one document of *file*."""
    reader = _Reader(file)
    keys = [kind.plural for kind in KINDS]
    if not isinstance(node, yaml.MappingNode):
        raise reader.wrong(
            node, "the top level must be keys with values: version, " + ", ".join(keys)
        )
    reader.require_no_tag(node, "the top level")
    version = None
    for key, value in reader.items(node):
        if key == "version":
            version = reader.value(value, key)
            if isinstance(version, bool) or version != FORMAT:
                raise reader.wrong(
                    value, f"version = {version!r}: this nilometer reads version {FORMAT}"
                )
        elif key not in keys:
            hint = did_you_mean(key, keys)
            raise reader.wrong(
                value, f"{key}: there is no such key{hint} (the keys are {', '.join(keys)})"
            )
        elif not isinstance(value, yaml.SequenceNode):
            raise reader.wrong(value, f"{key}: must be a list")
        else:
            reader.require_no_tag(value, key)
            listed = found.document.setdefault(key, [])
            parts = found.parts.setdefault(key, [])
            for number, item in enumerate(value.value):
                parts.append(Part(file, item, number))
                plain = reader.value(item, f"{key}[{number}]")
                if key in SECRETIVE:
                    plain = _with_secrets(plain, file, item, f"{key}[{number}]")
                listed.append(plain)  # type: ignore[attr-defined]
    if version is None:
        raise reader.wrong(node, f"version: is missing: must be {FORMAT}")


def _with_secrets(value: object, file: Path, node: yaml.Node, place: str) -> object:
    try:
        return with_secrets(value, file.parent)
    except WrongSecret as error:
        line = _line_in(node, ("secrets", error.name))
        raise ConfigError(f"{file}:{line}: {place}.{error}") from error


class _Reader:
    """Turns nodes of YAML into JSON values; refuses what JSON does not have."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[int] = set()

    def wrong(self, node: yaml.Node, why: str) -> ConfigError:
        """Return the error for a mistake at *node*."""
        return ConfigError(f"{self._file}:{node.start_mark.line + 1}: {why}")

    def items(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        """Yield each key with its value; refuse a key twice."""
        keys: set[str] = set()
        for key_node, value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise self.wrong(key_node, "merge keys (<<) are not allowed")
            key = None
            if isinstance(key_node, yaml.ScalarNode):
                self.require_no_tag(key_node, key_node.value)
                key = self._scalar(key_node, key_node.value)
            if not isinstance(key, str):
                raise self.wrong(key_node, "a key must be a text")
            if key in keys:
                raise self.wrong(key_node, f"{key}: appears twice")
            keys.add(key)
            yield key, value

    def value(self, node: yaml.Node, place: str) -> object:
        """Return the JSON value of *node*, which is at *place*."""
        if id(node) in self._seen:
            raise self.wrong(node, f"{place}: aliases are not allowed")
        self._seen.add(id(node))
        self.require_no_tag(node, place)
        match node:
            case yaml.MappingNode():
                return {key: self.value(one, f"{place}.{key}") for key, one in self.items(node)}
            case yaml.SequenceNode():
                return [self.value(one, f"{place}[{at}]") for at, one in enumerate(node.value)]
            case _:
                return self._scalar(cast("yaml.ScalarNode", node), place)

    def require_no_tag(self, node: yaml.Node, place: str) -> None:
        """Refuse a tag such as ``!!binary`` at *place*."""
        value = node.value if isinstance(node, yaml.ScalarNode) else None
        is_plain = isinstance(node, yaml.ScalarNode) and not node.style
        if node.tag != _resolved_tag(type(node), value, (is_plain, not is_plain)):
            raise self.wrong(node, f"{place}: tags ({node.tag}) are not allowed")

    def _scalar(self, node: yaml.ScalarNode, place: str) -> object:
        """Return the text, number, truth value or null of *node*.

        YAML 1.1 also reads ``1:30`` as 90, ``010`` as 8 and ``no`` as false. These are refused.
        """
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self.wrong(node, f"{place}: must not contain half of a surrogate pair")
        if node.style:
            return text
        if _NUMBER.fullmatch(text):
            number: int | float = json.loads(text)
            is_exact = isinstance(number, float) or abs(number) < MAX_EXACT
            if is_exact and math.isfinite(number):
                return number
            raise self.wrong(node, f"{place} = {text}: is too large for a number")
        if text in _WORDS:
            return _WORDS[text]
        if node.tag == "tag:yaml.org,2002:str":
            return text
        raise self.wrong(
            node,
            f"{place} = {text}: is neither a number, true, false nor null as JSON writes it: "
            "if it is a text, put it in quotes",
        )


def _line_in(node: yaml.Node, steps: Sequence[Step]) -> int:
    """Return the line, from 1, of the value at *steps* below *node*, or of its last known parent."""
    line: int = node.start_mark.line + 1
    for step in steps:
        following = None
        if isinstance(node, yaml.MappingNode):
            following = next((pair for pair in node.value if pair[0].value == step), None)
            if following is not None:
                line, node = following[0].start_mark.line + 1, following[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            following = node.value[step : step + 1] or None
            if following is not None:
                line, node = following[0].start_mark.line + 1, following[0]
        if following is None:
            break
    return line
