"""The type of a summary that users log: all its samples have that of the first."""

from nilometer.profile import Content, FeatureProfile, ScoreProfile, SummarySample
from nilometer.profile.logged.logged import Logged
from nilometer_collector.errors import Conflict
from nilometer_collector.store.declaring import Entities
from nilometer_collector.store.entity_records import LoggedType

FIELDS = ("content.type", "aggregation", "unit")  # of a logged sample, in the order of `LoggedType`


def require_type(entities: Entities, sample: SummarySample, wanted: LoggedType) -> None:
    """Make *wanted* the type of the sample's summary, or compare it with what the summary has.

    Raises:
        Conflict: If the summary has another type; it names the field.
    """
    known = entities.settle_type(sample.entity, sample.summary, wanted)
    for field, ours, theirs in zip(FIELDS, wanted, known, strict=True):
        if ours != theirs:
            raise Conflict(f"{field}: is {ours!r}, and {sample.summary} has {theirs!r}", field)


def type_of(content: Content) -> LoggedType:
    """Return the type of a *content* that was shipped."""
    if isinstance(content, Logged):
        return LoggedType(content.kind, content.amounts.aggregation.value, content.amounts.unit)
    if isinstance(content, FeatureProfile):
        numbers, categories = content.type_counts
        return LoggedType("categories" if categories > numbers else "distribution", "", "")
    is_scores = isinstance(content, ScoreProfile)
    return LoggedType("score_histogram" if is_scores else content.kind, "", "")
