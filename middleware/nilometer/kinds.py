"""Kinds from outside this project: all that an extension adds, in one record.

A package names its `Kinds` under the entry point group ``nilometer.kinds``. The agent, the collector
and the commands that read alerters `load` them when they start; a model server never does.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import msgspec

from nilometer.alert.conditions import CONDITIONS, RegisteredCondition
from nilometer.compare.comparator import Comparator
from nilometer.compare.registry import COMPARATORS
from nilometer.export.series import Attributes, Series
from nilometer.profile.content import Content
from nilometer.profile.registered import CONTENTS
from nilometer.profile.summary import SummarySample
from nilometer.values.errors import ConfigError
from nilometer.wire.contents.extension import extension_codec
from nilometer.wire.contents.registered import CODECS

GROUP = "nilometer.kinds"

C = TypeVar("C", bound=Content)
T = TypeVar("T")


class ContentView(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one sample, or a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentKind(Generic[C]):
    """A content type with all of its parts. Each process uses those that it needs.

    Attributes:
        content: The class.
        to_bytes: Writes a content, the same bytes for equal contents; at most 64 KiB.
        from_bytes: Reads what `to_bytes` wrote; raises ValueError for anything else.
        summaries: Glob of the summaries that hold it, such as ``output.*.hits``. They hold nothing
            else: the collector refuses a feature of such a name.
        check: Raises ValueError for a content that the collector must not store.
        view: The content as the HTTP API shows it.
        series: Adds a committed sample to the series that the agent exports; None without any.
        gauges: Sets gauges from the newest closed window at a monotonic time; None without any.
    """

    content: type[C]
    to_bytes: Callable[[C], bytes]
    from_bytes: Callable[[bytes], C]
    summaries: str = ""
    check: Callable[[C], None] | None = None
    view: Callable[[C], ContentView] | None = None
    series: Callable[[Series, SummarySample, C, Attributes], None] | None = None
    gauges: Callable[[Series, SummarySample, C, Attributes, float], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What one extension adds.

    Attributes:
        contents: Content types.
        conditions: What alerters may hold a window against.
        comparators: Distances that an alerter may name.
    """

    contents: Sequence[ContentKind[Any]] = ()
    conditions: Sequence[type[RegisteredCondition]] = ()
    comparators: Sequence[Comparator] = ()


CONTENT_KINDS: dict[str, ContentKind[Any]] = {}  # those from outside, by kind
_loaded: set[EntryPoint] = set()


def load() -> None:
    """Register the kinds of all installed extensions, once a process.

    Raises:
        ConfigError: If one cannot be loaded, or has a kind that another has.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry in _loaded:
            continue
        try:
            kinds = entry.load()
        except Exception as error:  # code of others: whatever it raises, the line names it
            raise ConfigError(f"extension {entry.name!r}: cannot be loaded: {error}") from error
        if not isinstance(kinds, Kinds):
            raise ConfigError(
                f"extension {entry.name!r}: {entry.value} is not a nilometer.kinds.Kinds"
            )
        register(kinds)
        _loaded.add(entry)


def register(kinds: Kinds) -> None:
    """Make *kinds* known in this process.

    Raises:
        ConfigError: If a name is not allowed, or is registered already.
    """
    for kind in kinds.contents:
        name = kind.content.kind
        codec = extension_codec(kind.content, kind.to_bytes, kind.from_bytes)
        _add("content type", CONTENTS, name, kind.content)
        CODECS[name], CONTENT_KINDS[name] = codec, kind
    for condition in kinds.conditions:
        _add("condition", CONDITIONS, condition.kind, condition)
    for comparator in kinds.comparators:
        _add("comparator", COMPARATORS, comparator.name, comparator)


def require_parts(process: str, parts: Sequence[str]) -> None:
    """Check that every content type from outside has the *parts* that *process* needs.

    Raises:
        ConfigError: With the first that is missing.
    """
    for name, kind in CONTENT_KINDS.items():
        for part in parts:
            if not getattr(kind, part):
                raise ConfigError(
                    f"content type {name!r}: no {part} registered: the {process} needs one"
                )


def _add(what: str, registry: MutableMapping[str, T], name: str, kind: T) -> None:
    if not name:
        raise ConfigError(f"{what} {kind!r}: has no name")
    if name in registry:
        raise ConfigError(f"{what} {name!r}: is registered already")
    registry[name] = kind
