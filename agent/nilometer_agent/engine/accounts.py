"""Counts of observations in samples, and samples that record lost observations."""

import logging
from collections.abc import Iterable
from typing import TypeAlias

from nilometer.profile import Coverage, Profile, ServiceProfile, SummarySample
from nilometer.values.entity import SERVICE
from nilometer.values.reasons import DropReason
from nilometer_agent.outbox.rows import WindowKey

# A window, its samples that are not committed yet, and whether the agent decoded them.
Taken: TypeAlias = tuple[WindowKey, list[SummarySample], bool]

log = logging.getLogger("nilometer.agent")


def seen(samples: Iterable[SummarySample]) -> int:
    """Return the number of observations in *samples*: the sum over their service profiles."""
    return sum(sample.coverage.seen for sample in samples if sample.summary == SERVICE)


def lost(
    key: WindowKey, observations: int, reason: DropReason = DropReason.INTERNAL_ERROR
) -> Taken:
    """Return a sample that records lost observations, in place of data that cannot be stored."""
    profile = Profile(key.entity, key.labels, key.window)
    profile.cover(Coverage(dropped={reason.value: observations} if observations else {}))
    return key, profile.samples(), True


def empty_service(key: WindowKey) -> SummarySample:
    """Return a sample of `service` without requests, for a window that has none."""
    return SummarySample(
        entity=key.entity,
        summary=SERVICE,
        labels=key.labels,
        window=key.window,
        coverage=Coverage(),
        content=ServiceProfile(),
    )


def taken(profile: Profile) -> Taken:
    """Return the samples of a profile; after an error, a sample that counts them as lost."""
    key = WindowKey(profile.entity, profile.labels, profile.window)
    try:
        return key, profile.samples(), True
    except Exception:
        told = {"entity": key.entity}
        log.exception("profile failed, its observations are lost: report this error", extra=told)
        return lost(key, profile.coverage.seen)
