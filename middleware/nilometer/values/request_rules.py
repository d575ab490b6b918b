"""Rules that select requests: by method, path, route template, gRPC method and content type.

A rule is one or more words, and all of them must match:

| word | matches |
|---|---|
| ``GET`` or ``GET|HEAD`` | the method |
| ``/status`` or ``/static/*`` | the path; ``*`` matches any characters, also none |
| ``route=/items/{id}`` | the paths of a route template; a name in braces matches one segment |
| ``grpc=ray.serve.*`` | the full name of a gRPC method, such as ``package.Service/Method`` |
| ``type=text/*`` | the content type of the request, without its parameters |

Paths are relative to the root path of the application, so a rule does not change if a gateway
mounts the server elsewhere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple, Self, TypeAlias

from nilometer.values.errors import ConfigError

GRPC = "application/grpc"  # start of gRPC's content types

_Pattern: TypeAlias = re.Pattern[str] | None

_METHODS = re.compile(r"[A-Z]+(?:\|[A-Z]+)*")
_PARAMETER = re.compile(r"\\\{[^/{}]*?(:path)?\\\}|<(?:(path):)?[^/<>]+>")


class _Rule(NamedTuple):
    """One rule; a part that is None matches everything.

    Attributes:
        text: Rule as it was written.
        methods: Methods that match.
        path: Pattern of the path.
        grpc: Pattern of a gRPC method.
        content_type: Pattern of the content type.
    """

    text: str
    methods: frozenset[str] | None = None
    path: _Pattern = None
    grpc: _Pattern = None
    content_type: _Pattern = None

    def matches(self, method: str, path: str, content_type: str) -> bool:
        return (
            (self.methods is None or method in self.methods)
            and (self.path is None or self.path.fullmatch(path) is not None)
            and (self.grpc is None or _is_method(self.grpc, path, content_type))
            and (
                self.content_type is None
                or self.content_type.fullmatch(_media(content_type)) is not None
            )
        )


@dataclass(frozen=True, slots=True)
class RequestRules:
    """The rules of one setting; a request is selected if any rule matches.

    Attributes:
        paths: Rules that are plain paths, which are looked up without a pattern.
        others: All other rules.
    """

    paths: frozenset[str] = frozenset()
    others: tuple[_Rule, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[str], setting: str = "rules") -> Self:
        """Parse *rules*.

        Args:
            rules: Texts in the form that the module docstring describes.
            setting: Name of the setting, for errors.

        Raises:
            ConfigError: If a text is not a valid rule.
        """
        found = [_parsed(text, setting) for text in rules]
        plain = frozenset(one for one in found if isinstance(one, str))
        return cls(plain, tuple(one for one in found if not isinstance(one, str)))

    @property
    def needs_content_type(self) -> bool:
        """Whether any rule needs the content type."""
        return any(rule.grpc or rule.content_type for rule in self.others)

    def __bool__(self) -> bool:
        return bool(self.paths or self.others)

    def match(self, method: str, path: str, content_type: str) -> str:
        """Return the text of the rule that selects a request; empty if no rule does.

        Args:
            method: HTTP method; ``POST`` for gRPC.
            path: Path without the root path and without the query string.
            content_type: Content type of the request; may be empty.
        """
        if path in self.paths:
            return path
        for rule in self.others:
            if rule.matches(method, path, content_type):
                return rule.text
        return ""


NO_RULES = RequestRules()


@lru_cache(maxsize=256)
def rules_of(texts: tuple[str, ...]) -> RequestRules:
    """Return the rules in *texts*, which were already checked; invalid texts are left out."""
    valid = []
    for text in texts:
        try:
            _parsed(text, "")
        except ConfigError:
            continue
        valid.append(text)
    return RequestRules.of(valid)


def _parsed(text: str, setting: str) -> str | _Rule:
    """Return a rule, or the path if the rule is a plain path."""
    words = text.split()
    if len(words) == 1 and text.startswith("/") and not any(one in text for one in "*?["):
        return text
    rule = _Rule(text)
    for word in words:
        rule = _with(rule, word, setting)
    if not words:
        raise ConfigError(f"{setting}: a rule must not be empty")
    return rule


def _with(rule: _Rule, word: str, setting: str) -> _Rule:
    """Return *rule* with one more condition."""
    name, separator, value = word.partition("=")
    if _METHODS.fullmatch(word):
        return rule._replace(methods=frozenset(word.split("|")))
    if word.startswith(("/", "*")):
        return rule._replace(path=re.compile(translate(word)))
    if separator and value:
        match name:
            case "route":
                return rule._replace(path=_template(value))
            case "grpc":
                return rule._replace(grpc=re.compile(translate(value.removeprefix("/"))))
            case "type":
                return rule._replace(content_type=re.compile(translate(value.lower())))
            case _:
                pass
    raise ConfigError(
        f"{setting} = {rule.text!r}: {word!r} must be a method such as GET, a path such as "
        "/status*, route=/items/{id}, grpc=package.Service/*, or type=text/*"
    )


def _template(route: str) -> re.Pattern[str]:
    """Return the pattern of the paths for a route template of Starlette, FastAPI or Flask."""
    parts: list[str] = []
    at = 0
    escaped = re.escape(route)
    for found in _PARAMETER.finditer(escaped):
        parts += (escaped[at : found.start()], ".+" if found[1] or found[2] else "[^/]+")
        at = found.end()
    return re.compile("".join((*parts, escaped[at:])))


def _is_method(pattern: re.Pattern[str], path: str, content_type: str) -> bool:
    if not content_type.startswith(GRPC):
        return False
    name = path.removeprefix("/")
    # `package.Service` means all methods of the service.
    return bool(pattern.fullmatch(name) or pattern.fullmatch(name.partition("/")[0]))


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
