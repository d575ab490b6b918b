"""The operations of all resources, in the order of the OpenAPI document."""

from nilometer_collector.api.operation import Operation
from nilometer_collector.api.resources import (
    alerters,
    backtests,
    canary,
    comparators,
    decisions,
    difference,
    entities,
    entity,
    episodes,
    log,
    newest,
    probes,
    references,
    samples,
    series,
    storage,
    summaries,
    watch,
)

OPERATIONS: tuple[Operation, ...] = (
    *entities.OPERATIONS,
    *entity.OPERATIONS,
    *summaries.OPERATIONS,
    *samples.OPERATIONS,
    *log.OPERATIONS,
    *difference.OPERATIONS,
    *series.OPERATIONS,
    *newest.OPERATIONS,
    *references.OPERATIONS,
    *alerters.OPERATIONS,
    *backtests.OPERATIONS,
    *canary.OPERATIONS,
    *comparators.OPERATIONS,
    *episodes.OPERATIONS,
    *decisions.OPERATIONS,
    *watch.OPERATIONS,
    *storage.OPERATIONS,
    *probes.OPERATIONS,
)
