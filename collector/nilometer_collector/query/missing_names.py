"""Finds names that point nowhere: entities, summaries and references that do not exist yet."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from types import MappingProxyType

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.values.entity import is_logged
from nilometer.values.nearest import did_you_mean
from nilometer.values.times import time_text
from nilometer_collector.store import LoggedType, ReferenceRecord, SeriesRecord, Store

MOST_ENTITIES = 100  # most entities whose summaries a warning about a pattern looks at
MOST_NAMES = 10  # most known names that a warning lists
MOST_COMPARISONS = 20_000  # most comparisons of names for hints, which takes up to half a second
NO_RECEIVERS: Mapping[str, Collection[str]] = MappingProxyType({})


class KnownNames:
    """The names that exist. Each is read from the store at most once.

    Args:
        store: Store of samples, references and declarations.
        may_name: Function that returns whether a warning may reveal an entity.
        planned: Entities that will exist.
        receivers: Channels and targets that will exist, by ``channel`` and ``target``.
        may_use: Function that returns whether a warning may be about a channel or target; None for
            all of them if *may_name* allows every entity, else for none.
        now_ns: Wall time at which something has ended or expired, Unix nanoseconds; 0 if nothing has.
    """

    def __init__(
        self,
        store: Store,
        may_name: Callable[[str], bool] = lambda _: True,
        planned: Collection[str] = (),
        receivers: Mapping[str, Collection[str]] = NO_RECEIVERS,
        may_use: Callable[[str], bool] | None = None,
        *,
        now_ns: int = 0,
    ) -> None:
        self._store = store
        self.now_ns = now_ns
        self._planned = planned
        self._receivers = receivers
        self._summaries: dict[str, list[str]] = {}
        self._series: dict[str, list[SeriesRecord]] = {}
        self._hints: dict[tuple[str, int], tuple[Sequence[str], str]] = {}  # by name and list
        self._usable_names: dict[str, list[str] | None] = {}
        self._references: dict[str, list[ReferenceRecord]] | None = None
        self._with_data: set[str] | None = None
        self._named_with_data: list[str] | None = None
        self._entities: list[str] | None = None
        self._comparisons = 0
        self.may_name = may_name
        self._may_use = may_use

    def summaries(self, entity: str) -> list[str]:
        """Return the summaries of *entity*, ascending."""
        if entity not in self._summaries:
            found = {series.summary for series in self._series_of(entity)}
            self._summaries[entity] = sorted(found)
        return self._summaries[entity]

    def _series_of(self, entity: str) -> list[SeriesRecord]:
        if entity not in self._all_with_data:
            return []
        if entity not in self._series:
            self._series[entity] = self._store.samples.series(entity)
        return self._series[entity]

    def references(self, entity: str) -> list[str]:
        """Return the current references of *entity*, ascending."""
        return [record.name for record in self._records(entity)]

    def expiry(self, entity: str, reference: str) -> int | None:
        """Return the Unix nanoseconds at which a current *reference* expires; None for never."""
        found = (one.expires_ns for one in self._records(entity) if one.name == reference)
        return next(found, None)

    def _records(self, entity: str) -> list[ReferenceRecord]:
        if self._references is None:
            self._references = {}
            for record in self._store.references.records():
                self._references.setdefault(record.entity, []).append(record)
        return self._references.get(entity, [])

    def type_of(self, entity: str, summary: str) -> LoggedType:
        """Return data type and unit of the samples of a summary; empty words for unknown ones."""
        if is_logged(summary):
            return self._store.entities.types(entity).get(summary, LoggedType(""))
        series = [one for one in self._series_of(entity) if one.summary == summary]
        numbers, categories = (
            sum(getattr(one, count) for one in series) for count in ("numbers", "categories")
        )
        if not numbers and not categories:
            return LoggedType("")
        return LoggedType("categories" if categories > numbers else "distribution")

    @property
    def with_data(self) -> list[str]:
        """Entities that have data and may be named, ascending."""
        if self._named_with_data is None:
            self._named_with_data = sorted(filter(self.may_name, self._all_with_data))
        return self._named_with_data

    @property
    def _all_with_data(self) -> set[str]:
        if self._with_data is None:
            self._with_data = {total.entity for total in self._store.samples.totals()}
        return self._with_data

    @property
    def entities(self) -> list[str]:
        """Entities that exist, or are planned, and may be named, ascending."""
        if self._entities is None:
            found = {one.name for one in self._store.entities.all()} | {*self._planned}
            found |= self._store.alerts.entities()
            found |= {record.entity for record in self._store.references.records()}
            self._entities = sorted({*self.with_data} | set(filter(self.may_name, found)))
        return self._entities

    @property
    def targets(self) -> list[str] | None:
        """Names of the targets of actions, ascending; None for those who may not name them."""
        return self._usable("target", lambda: {one.name for one in self._store.targets.all()})

    @property
    def channels(self) -> list[str] | None:
        """Names of all channels, ascending; None for those who may not name them."""
        own = {self._store.own_channel} - {""}
        return self._usable(
            "channel", lambda: {one.name for one in self._store.channels.all()} | own
        )

    def is_missing(self, name: str, known: Collection[str] | None) -> bool:
        """Return whether a warning may say that *name*, a channel or target, is not *known*."""
        return (
            known is not None
            and name not in known
            and (self._may_use is None or self._may_use(name))
        )

    def _usable(self, kind: str, stored: Callable[[], set[str]]) -> list[str] | None:
        """Return the stored and the planned receivers of a kind; None for who may not name them."""
        if kind not in self._usable_names:
            found: list[str] | None = None
            if self._may_use is not None or self.may_name("*"):
                names = stored().union(self._receivers.get(kind, ()))
                found = sorted(filter(self._may_use, names) if self._may_use else names)
            self._usable_names[kind] = found
        return self._usable_names[kind]

    def hint(self, name: str, known: Sequence[str]) -> str:
        """Return ``; did you mean 'x'?``; empty if no name is similar, or after `MOST_COMPARISONS`."""
        asked = (name, id(known))
        if asked not in self._hints:
            self._comparisons += len(known)
            is_asked = self._comparisons <= MOST_COMPARISONS
            hint = did_you_mean(name, known) if is_asked else ""
            self._hints[asked] = (known, hint)  # a list that is kept shares its id with no other
        return self._hints[asked][1]

    def missing_entities(self, names: Sequence[str], field: str = "reads_from") -> list[str]:
        """Return a warning for each entity in *names* that does not exist, or may not be named.

        A warning about an entity that may not be named is the same whether or not it exists.

        Args:
            names: Names of entities.
            field: Field that has them, which each warning names.
        """
        if not names:
            return []
        known = {*self.entities}
        found = []
        for name in names:
            if not self.may_name(name):
                found.append(f"{field} = {name!r}: cannot be checked: you may not read this entity")
            elif name not in known:
                hint = self.hint(name, self.entities)
                found.append(f"{field} = {name!r}: does not exist yet{hint}")
        return found


def matching_nothing(
    known: KnownNames, entity: str, key: str, patterns: Iterable[str]
) -> list[str]:
    """Return a warning if no entity matches, and for each pattern that matches no summary of them.

    Args:
        known: Names that exist.
        entity: Pattern of entities.
        key: Field of the patterns.
        patterns: Patterns over the summaries of these entities.
    """
    matched = [name for name in known.entities if fnmatchcase(name, entity)]
    if not matched:
        return [f"entity = {entity!r}: matches no entity yet"]
    summaries = [
        summary for name in islice(matched, MOST_ENTITIES) for summary in known.summaries(name)
    ]
    return [
        f"{key}: {pattern!r} matches no summary of these entities"
        for pattern in patterns
        if summaries and not any(fnmatchcase(summary, pattern) for summary in summaries)
    ]


def expired_sentence(expires_ns: int) -> str:
    """Return the sentence on a reference that has expired."""
    return f"it expired on {time_text(expires_ns)}, and no window is compared with it any more"


def missing_names(known: KnownNames, alerter: Alerter) -> list[str]:
    """Return a warning for each name in *alerter* that does not exist, with a similar name.

    An alerter may be created before its data arrives. So a summary counts as missing only if its
    entity has other summaries.

    Args:
        known: Names that exist.
        alerter: Alerter whose entity, summary and reference are looked up.
    """
    entity = alerter.entity
    summaries, references = known.summaries(entity), known.references(entity)
    found = []
    if not summaries and not references and (hint := known.hint(entity, known.with_data)):
        found.append(f"entity = {entity!r}: has no data{hint}")
    if isinstance(alerter.condition, Reported):  # it may be about what has no samples
        return found
    if summaries and not any(map(alerter.watches, summaries)):
        hint = known.hint(alerter.summary, summaries)
        what = f"matches no summary of {entity}{hint}"
        found.append(_line("summary", alerter.summary, what, summaries))
    reference = alerter.condition.reference
    if reference and reference not in references:
        what = f"{entity} has no such reference{known.hint(reference, references)}"
        found.append(_line("reference", reference, what, references))
    expires_ns = known.expiry(entity, reference)
    if expires_ns is not None and expires_ns <= known.now_ns:
        found.append(f"reference = {reference!r}: {expired_sentence(expires_ns)}")
    return found


def _line(key: str, name: str, what: str, known: Collection[str]) -> str:
    """Return the warning for a *name* that is not among the *known* names."""
    shown = [*known][:MOST_NAMES]
    more = ", ..." if len(known) > len(shown) else ""
    listed = f" (known: {', '.join(shown)}{more})" if shown else " (it has none yet)"
    return f"{key} = {name!r}: {what}{listed}"
