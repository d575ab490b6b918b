"""Extensions: one record with the content types, conditions and comparators of a package.

A package names its `Kinds` in the entry point group ``nilometer.kinds``. The agent, the collector
and the commands that read alerters call `load` when they start. A model server never loads
extensions.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import msgspec

from nilometer.alert.conditions import CONDITIONS, RegisteredCondition
from nilometer.compare.comparator import Comparator
from nilometer.compare.registry import COMPARATORS
from nilometer.export.series import Attributes, Series
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer.profile.registered import CONTENTS
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile
from nilometer.profile.summary import SummarySample
from nilometer.values.entity import SCORES_SUFFIX, SERVICE, is_logged
from nilometer.values.errors import ConfigError
from nilometer.wire.contents.extension import extension_codec
from nilometer.wire.contents.registered import CODECS

GROUP = "nilometer.kinds"
PERFORMANCE_KINDS = frozenset(one.kind for one in (Classification, Regression, Ranking, RowMetrics))
LOGGED_KINDS = PERFORMANCE_KINDS.union(
    one.kind for one in (Number, Text, Table, Matrix, Line, ConfusionMatrix)
)  # contents that only users log

C = TypeVar("C", bound=Content)
T = TypeVar("T")


class ContentView(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one sample, or a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentKind(Generic[C]):
    """A content type of an extension with all of its parts. Each process uses those that it needs.

    Attributes:
        content: Class of the contents.
        to_bytes: Function that encodes a content, at most 64 KiB; equal contents give equal bytes.
        from_bytes: Function that decodes the result of `to_bytes`; raises ValueError for other
            bytes.
        summaries: Glob of the summaries that hold this type, such as ``output.*.hits``. The
            collector rejects other types in a summary that matches.
        check: Function that raises ValueError if the collector must not store a content.
        view: Function that returns the content in the form of the HTTP API.
        series: Function that adds a committed sample to the series that the agent exports; or None.
        gauges: Function that sets gauges from the newest closed window at a monotonic time; may be
            None.
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
    """Everything that one extension adds.

    Attributes:
        contents: Content types.
        conditions: Conditions with which alerters judge a window.
        comparators: Distances that an alerter may name.
    """

    contents: Sequence[ContentKind[Any]] = ()
    conditions: Sequence[type[RegisteredCondition]] = ()
    comparators: Sequence[Comparator] = ()


CONTENT_KINDS: dict[str, ContentKind[Any]] = {}  # content types of extensions, by kind
_loaded: set[EntryPoint] = set()


def load() -> None:
    """Register the kinds of all installed extensions; later calls do nothing.

    Raises:
        ConfigError: If an extension cannot be loaded, or adds a kind that exists already.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry in _loaded:
            continue
        try:
            kinds = entry.load()
        except Exception as error:  # an extension may raise anything: the message names it
            raise ConfigError(f"extension {entry.name!r}: cannot be loaded: {error}") from error
        if not isinstance(kinds, Kinds):
            raise ConfigError(
                f"extension {entry.name!r}: {entry.value} is not a nilometer.kinds.Kinds"
            )
        register(kinds)
        _loaded.add(entry)


def register(kinds: Kinds) -> None:
    """Register *kinds* in this process.

    Raises:
        ConfigError: If a name is not allowed, or is already registered.
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


def may_hold(summary: str, kind: str) -> bool:
    """Return whether a summary called *summary* may have content of *kind*.

    `service` has requests, and nothing else has them. A name that matches the pattern `summaries`
    of an extension has content of its type. ``logged.`` names have what users log. Every other name has features, and
    ``<output>.scores`` may have scores instead.
    """
    if summary == SERVICE or kind == ServiceProfile.kind:
        return summary == SERVICE and kind == ServiceProfile.kind
    if is_logged(summary) or kind in LOGGED_KINDS:
        kinds = {*LOGGED_KINDS, FeatureProfile.kind, ScoreProfile.kind}
        return is_logged(summary) and kind in kinds
    if kind == ScoreProfile.kind:
        return summary.endswith(SCORES_SUFFIX)
    for name, one in CONTENT_KINDS.items():
        if fnmatchcase(summary, one.summaries):
            return kind == name
    return kind == FeatureProfile.kind


def require_parts(process: str, parts: Sequence[str]) -> None:
    """Check that every content type of an extension has the *parts* that *process* needs.

    Raises:
        ConfigError: If a part is missing; the message names the first one.
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
