"""Templates of webhook bodies: values, conditions, and loops over given lists, and nothing else.

A template sees only the values that it is given. It cannot call a function, read an attribute of an
object or count by itself, so every loop ends. `MOST_STEPS` and `MOST_CHARACTERS` bound nested loops.

    {{ entity }}                 the value as text
    {{ evidence | json }}        the value as JSON, with quotes
    {% for part in parts %}      once for each item of a list
    {% if opening %} {% else %}  by whether the value is empty, zero or false
    {% end %}                    the end of the innermost for or if
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

MOST_STEPS = 20_000  # values, conditions and loop turns in one rendering
MOST_CHARACTERS = 200_000  # longest result
MOST_DEPTH = 8  # deepest nesting of for and if
MOST_TEMPLATE_CHARACTERS = 20_000

_TAG = re.compile(
    r"(\{\{[^{}]*\}\}|\{%[^{}%]*%\})"
)  # no brace inside, so that it takes linear time
_BEGIN = re.compile(r"\{\{|\{%")
_NAME = "[a-z][a-z0-9_]*"
_PATH = rf"{_NAME}(?:\.{_NAME})*"
_VALUE = re.compile(rf"\{{\{{\s*({_PATH})\s*(?:\|\s*(json)\s*)?\}}\}}")
_FOR = re.compile(rf"\{{%\s*for\s+({_NAME})\s+in\s+({_PATH})\s*%\}}")
_IF = re.compile(rf"\{{%\s*if\s+(not\s+)?({_PATH})\s*%\}}")
_ELSE = re.compile(r"\{%\s*else\s*%\}")
_END = re.compile(r"\{%\s*end\s*%\}")

Values: TypeAlias = Mapping[str, object]


class TemplateError(ValueError):
    """A template cannot be read or rendered; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Value:
    path: str
    as_json: bool


@dataclass(slots=True)
class _Block:
    """The inside of a loop or a condition; a condition also has another inside."""

    path: str
    item: str = ""  # name of the loop's item; empty for a condition
    negated: bool = False
    inside: "list[_Node]" = field(default_factory=list)
    otherwise: "list[_Node] | None" = None


_Node: TypeAlias = _Text | _Value | _Block


class Template:
    """A parsed template.

    Args:
        source: Text of the template, at most `MOST_TEMPLATE_CHARACTERS`.

    Raises:
        TemplateError: If the syntax is wrong; the message names the line.
    """

    def __init__(self, source: str) -> None:
        if len(source) > MOST_TEMPLATE_CHARACTERS:
            raise TemplateError(f"must be at most {MOST_TEMPLATE_CHARACTERS} characters")
        parsing = _Parsing()
        for token in _TAG.split(source):
            parsing.take(token)
        self._nodes = parsing.finished()

    def render(self, values: Values) -> str:
        """Return the text for *values*.

        Raises:
            TemplateError: If a value does not exist, or the result exceeds a bound.
        """
        rendering = _Rendering()
        rendering.run(self._nodes, values)
        return "".join(rendering.pieces)


@dataclass(slots=True)
class _Parsing:
    """The nodes read so far, and the blocks that have no end yet."""

    nodes: list[_Node] = field(default_factory=list)
    opened: list[_Block] = field(default_factory=list)
    line: int = 1

    def take(self, token: str) -> None:
        """Add the next text or tag."""
        inside = _current(self.opened[-1]) if self.opened else self.nodes
        if not _TAG.fullmatch(token):
            if found := _BEGIN.search(token):
                raise self._error(f"{token[found.start() :][:60]!r} is not understood here")
            inside.append(_Text(token))
        elif found := _VALUE.fullmatch(token):
            inside.append(_Value(found[1], as_json=found[2] is not None))
        elif found := _FOR.fullmatch(token):
            self._open(inside, _Block(found[2], item=found[1]))
        elif found := _IF.fullmatch(token):
            self._open(inside, _Block(found[2], negated=found[1] is not None))
        elif _END.fullmatch(token) and self.opened:
            self.opened.pop()
        elif _ELSE.fullmatch(token) and self._takes_else():
            self.opened[-1].otherwise = []
        else:
            raise self._error(f"{token[:60]!r} is not understood here")
        self.line += token.count("\n")

    def finished(self) -> list[_Node]:
        """Return all nodes."""
        if self.opened:
            raise self._error(f"the block of {self.opened[-1].path!r} has no {{% end %}}")
        return self.nodes

    def _open(self, inside: list[_Node], block: _Block) -> None:
        inside.append(block)
        self.opened.append(block)
        if len(self.opened) > MOST_DEPTH:
            raise self._error(f"at most {MOST_DEPTH} blocks may be nested")

    def _takes_else(self) -> bool:
        return bool(self.opened) and not self.opened[-1].item and self.opened[-1].otherwise is None

    def _error(self, reason: str) -> TemplateError:
        return TemplateError(f"line {self.line}: {reason}")


@dataclass(slots=True)
class _Rendering:
    """One run of a template within its bounds."""

    pieces: list[str] = field(default_factory=list)
    steps: int = 0
    characters: int = 0

    def run(self, nodes: Sequence[_Node], values: Values) -> None:
        for node in nodes:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise TemplateError(f"takes more than {MOST_STEPS} steps")
            match node:
                case _Text(text):
                    self._write(text)
                case _Value(path, as_json):
                    value = _find(values, path)
                    self._write(json.dumps(value) if as_json else _plain(value))
                case _Block():
                    self._run_block(node, values)

    def _run_block(self, block: _Block, values: Values) -> None:
        value = _find(values, block.path)
        if not block.item:
            chosen = block.inside if bool(value) is not block.negated else block.otherwise
            self.run(chosen or [], values)
            return
        if not isinstance(value, list | tuple):
            raise TemplateError(f"{block.path!r} is not a list")
        for item in value:
            self.steps += 1
            self.run(block.inside, {**values, block.item: item})

    def _write(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > MOST_CHARACTERS:
            raise TemplateError(f"makes more than {MOST_CHARACTERS} characters")
        self.pieces.append(text)


def _current(block: _Block) -> "list[_Node]":
    return block.inside if block.otherwise is None else block.otherwise


def _find(values: Values, path: str) -> object:
    found: object = values
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise TemplateError(f"there is no value {path!r}")
        found = found[name]
    return found


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
