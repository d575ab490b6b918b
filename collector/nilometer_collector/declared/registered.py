"""The kinds of objects that users declare, in the order in which a document is applied."""

from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nilometer.settings.mistakes import sentence
from nilometer_collector.declared.actions import ActionObjects
from nilometer_collector.declared.alerters import AlerterObjects
from nilometer_collector.declared.entities import EntityObjects
from nilometer_collector.declared.kind import Kind, Misdeclared
from nilometer_collector.declared.performance import PerformanceObjects
from nilometer_collector.declared.receivers import ChannelObjects, TargetObjects
from nilometer_collector.declared.references import ReferenceObjects
from nilometer_collector.declared.routes import RouteObjects
from nilometer_collector.declared.sets import SetObjects
from nilometer_collector.declared.silences import SilenceObjects
from nilometer_collector.declared.summaries import SummaryObjects
from nilometer_collector.declared.watch_rules import WatchRuleObjects

FORMAT = 1  # version of the format of documents
MOST_OBJECTS = 10_000  # most objects of one kind in one document

KINDS: tuple[Kind[Any], ...] = (
    EntityObjects(),
    SummaryObjects(),
    ReferenceObjects(),
    ChannelObjects(),
    TargetObjects(),
    AlerterObjects(),
    WatchRuleObjects(),
    RouteObjects(),
    ActionObjects(),
    SilenceObjects(),
    PerformanceObjects(),
)
ALL_KINDS: tuple[Kind[Any], ...] = (*KINDS, SetObjects())  # also those that no document has


def _list_of(kind: Kind[Any]) -> object:
    return Annotated[GenericAlias(list, (kind.definition,)), Meta(max_length=MOST_OBJECTS)]


Document = msgspec.defstruct(
    "Document",
    [
        ("version", Literal[FORMAT]),
        *((kind.plural, _list_of(kind), msgspec.field(default_factory=list)) for kind in KINDS),
    ],
    module=__name__,
    namespace={"__doc__": "Objects by kind. A kind that is left out is not changed."},
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
)


def document_of(raw: dict[str, object]) -> msgspec.Struct:
    """Return the document in *raw*, JSON values.

    Raises:
        Misdeclared: If it is of another version, or a value has the wrong type; the message and the
            field name the place.
    """
    version = raw.get("version")
    if "version" not in raw:
        raise Misdeclared(f"version: is missing: must be {FORMAT}", "version")
    if isinstance(version, bool) or version != FORMAT:
        raise Misdeclared(
            f"version = {version!r}: this collector reads version {FORMAT}", "version"
        )
    try:
        return msgspec.convert({**raw, "version": FORMAT}, Document)
    except msgspec.ValidationError as error:
        why = sentence(Document, raw, error)
        raise Misdeclared(why, why.partition(" = ")[0].partition(": ")[0]) from error


def kind_named(word: str) -> Kind[Any]:
    """Return the kind with this name or plural.

    Raises:
        Misdeclared: If there is none; the message lists all kinds.
    """
    for kind in ALL_KINDS:
        if word in {kind.name, kind.plural}:
            return kind
    names = ", ".join(kind.name for kind in ALL_KINDS)
    raise Misdeclared(f"kind = {word[:64]!r}: must be one of {names}", "kind")
