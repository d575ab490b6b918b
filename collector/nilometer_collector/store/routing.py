"""Decides which channels a new notification is queued for, from what either database has read."""

from collections.abc import Mapping, Sequence

from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.receivers import KINDS, ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition, Subject, routed
from nilometer_collector.store.composing import FLAPPING_NS, FLAPPING_OPENINGS


def due_by_channel(
    channels: Sequence[str],
    routes: Sequence[RouteDefinition],
    subject: Subject,
    openings: int,
    now_ns: int,
    workspaces: Workspaces,
) -> Mapping[str, int]:
    """Return the channels that are told about an opening, each with its earliest time.

    Args:
        channels: Names of all channels.
        routes: All routes.
        subject: Episode that opens.
        openings: Openings of the same within `FLAPPING_NS`, with this one. From
            `FLAPPING_OPENINGS` on, the channels are told that it is flapping; after that, an opening
            waits until it has lasted.
        now_ns: Wall time, Unix nanoseconds.
        workspaces: Workspaces. The channels and routes of a workspace are for its entities only.
    """
    channels = [one for one in channels if workspaces.serves(one, subject.entity)]
    routes = [one for one in routes if workspaces.serves(one.name, subject.entity)]
    least_ns = now_ns + FLAPPING_NS if openings > FLAPPING_OPENINGS else 0
    return {
        channel: max(due_ns, least_ns)
        for channel, due_ns in routed(routes, channels, subject, now_ns).items()
    }


def names_of(channels: Sequence[ChannelDefinition], own: str) -> list[str]:
    """Return the names of the stored *channels* and of the collector's *own* one, if it has one."""
    names = [one.name for one in channels]
    return names + [own] * bool(own and own not in names)


def telling_actions(channels: Sequence[ChannelDefinition], own: str) -> frozenset[str]:
    """Return the names of the channels that are told about actions, with the *own* one, if any."""
    stored = {one.name for one in channels if (kind := KINDS.get(one.kind)) and kind.tells_actions}
    return frozenset(stored | {own} if own not in {one.name for one in channels} else stored) - {""}


def acknowledging(channels: Sequence[ChannelDefinition]) -> frozenset[str]:
    """Return the names of the channels that are told of acknowledgements."""
    return frozenset(
        one.name for one in channels if (kind := KINDS.get(one.kind)) and kind.acknowledges
    )
