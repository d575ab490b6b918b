"""From profiles to views: what a window, a reference or an episode looks like outside.

A number that does not exist, or is not finite, is null.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from nilometer.profile import Coverage
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store import EpisodeRecord
from nilometer_collector.views import (
    CoverageView,
    EpisodeView,
    Health,
    TransitionView,
)


def coverage_view(coverage: Coverage) -> CoverageView:
    """Field by field."""
    return CoverageView(
        seen=coverage.seen,
        profiled=coverage.profiled,
        sampled_out=coverage.sampled_out,
        dropped=dict(sorted(coverage.dropped.items())),
        undecodable=dict(sorted(coverage.undecodable.items())),
    )


def episode_view(episode: EpisodeRecord) -> EpisodeView:
    """An episode with its history, oldest first."""
    alerter = episode.alerter
    condition = alerter.condition
    return EpisodeView(
        id=episode.id,
        entity=alerter.entity,
        summary=episode.summary,
        labels=episode.labels.as_dict(),
        alerter=alerter.name,
        comparator=condition.measure,
        threshold=condition.limit(episode.worst),
        severity=alerter.severity.value,
        breached_since=seconds(episode.since_ns),
        opened=seconds(episode.opened_ns),
        closed=None if episode.closed_ns is None else seconds(episode.closed_ns),
        value=episode.worst,
        reference=condition.reference,
        reference_digest=episode.reference_digest,
        evidence=episode.evidence,
        history=[
            TransitionView(
                at=seconds(transition.at_ns),
                status=cast("Health", transition.status),
                value=transition.value,
                evidence=transition.evidence,
            )
            for transition in episode.history
        ],
    )


def seconds(at_ns: int) -> float:
    """Unix seconds of Unix nanoseconds."""
    return at_ns / NANOSECONDS


def label_values(label_sets: Iterable[Sequence[tuple[str, str]]]) -> dict[str, list[str]]:
    """Every key with all of its values, sorted."""
    values: dict[str, set[str]] = {}
    for pairs in label_sets:
        for key, value in pairs:
            values.setdefault(key, set()).add(value)
    return {key: sorted(found) for key, found in sorted(values.items())}
