"""Decides which channels a new notification is queued for, from what either database has read."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.receivers import KINDS, Kind
from nilometer_collector.alerting.routes import RouteDefinition, Subject, routed
from nilometer_collector.store.composing import FLAPPING_NS, FLAPPING_OPENINGS
from nilometer_collector.store.written import Unread, read_content


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


def names_of(channels: Mapping[str, str], own: str) -> list[str]:
    """Return the names of the stored *channels* and of the collector's *own* one, if it has one.

    Notifications are also queued for a channel that a newer version wrote. They wait until a version
    that can read it delivers them.

    Args:
        channels: Stored text of each channel by name.
        own: Name of the channel of the settings; empty for none.
    """
    return [*channels] + [own] * bool(own and own not in channels)


def telling_actions(channels: Mapping[str, str], own: str) -> frozenset[str]:
    """Return the names of the channels that are told about actions, with the *own* one, if any."""
    stored = {name for name, kind in _kinds(channels) if kind.tells_actions}
    return frozenset(stored | {own} if own not in channels else stored) - {""}


def acknowledging(channels: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the channels that are told of acknowledgements."""
    return frozenset(name for name, kind in _kinds(channels) if kind.acknowledges)


class _Kinded(msgspec.Struct):
    """The kind of a channel; other fields are not read, so a newer version may have added some."""

    kind: str = ""


def _kinds(channels: Mapping[str, str]) -> Iterator[tuple[str, Kind]]:
    """Yield the name of each channel with its kind, if this version knows the kind."""
    for name, content in channels.items():
        found = read_content(content, _Kinded)
        if not isinstance(found, Unread) and found.kind in KINDS:
            yield name, KINDS[found.kind]
