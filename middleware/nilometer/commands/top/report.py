"""The data of the view as one JSON object, for scripts."""

import msgspec

from nilometer.commands.top.entities import EntityRow
from nilometer.commands.top.sources import Picture


def as_json(picture: Picture, span: float, now: float) -> dict[str, object]:
    """Return *picture* as JSON; rates are over *span* seconds, *now* is in Unix seconds."""
    collector = picture.collector
    return {
        "time": now,
        "span_seconds": span,
        "agents": [msgspec.to_builtins(agent) for agent in picture.agents],
        "collector": {
            "url": collector.url,
            "up": not collector.reason,
            "reason": collector.reason,
            "open_episodes": [msgspec.to_builtins(one) for one in collector.open_episodes],
        }
        if collector.url
        else None,
        "entities": [_entity(row) for row in picture.entities],
    }


def _entity(row: EntityRow) -> dict[str, object]:
    worst = [
        {**msgspec.to_builtins(judged), "labels": judged.labels.as_dict()} for judged in row.worst
    ]
    found: dict[str, object] = msgspec.to_builtins(row)
    del found["trend"]
    return {**found, "status": row.status, "worst": worst}
