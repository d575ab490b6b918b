"""Decides which channels a new notification is queued for, from what either database has read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.access.workspaces import Workspaces, owner_of
from nilometer_collector.alerting.receivers import KINDS, Kind
from nilometer_collector.alerting.routes import RouteDefinition, Subject, check_route, routed
from nilometer_collector.store.composing import FLAPPING_NS, FLAPPING_OPENINGS
from nilometer_collector.store.written import Unread, fields_of, read_content


def due_by_channel(
    channels: Sequence[str],
    routes: Mapping[str, str],
    subject: Subject,
    openings: int,
    now_ns: int,
    workspaces: Workspaces,
) -> Mapping[str, int]:
    """Return the channels that are told about an opening, each with its earliest time.

    Args:
        channels: Names of all channels.
        routes: Stored text of each route by name. Of one that a newer version wrote, the fields that
            this version knows count: its channels may be told too much, never too little.
        subject: Episode that opens.
        openings: Openings of the same within `FLAPPING_NS`, with this one. From
            `FLAPPING_OPENINGS` on, the channels are told that it is flapping; after that, an opening
            waits until it has lasted.
        now_ns: Wall time, Unix nanoseconds.
        workspaces: Workspaces. The channels and routes of a workspace are for its entities only.
    """
    channels = [one for one in channels if workspaces.serves(one, subject.entity)]
    read = [
        _as_far_as_known(name, content)
        for name, content in routes.items()
        if workspaces.serves(name, subject.entity)
    ]
    least_ns = now_ns + FLAPPING_NS if openings > FLAPPING_OPENINGS else 0
    return {
        channel: max(due_ns, least_ns)
        for channel, due_ns in routed(read, channels, subject, now_ns).items()
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


def awaits_route(channel: str, routes: Mapping[str, str]) -> bool:
    """Return whether notifications of *channel* wait, because a route that cannot be read may name it.

    A channel that no route names is told about everything. So as long as the channels of a route are
    not known, nothing is sent to a channel that only this route may name.

    Args:
        channel: Name of a channel.
        routes: Stored text of each route by name.
    """
    is_unknown = False
    for name, content in routes.items():
        channels = _channels_of(content)
        if channels is None:
            is_unknown |= owner_of(name) in {"", owner_of(channel)}
        elif channel in channels:
            return False
    return is_unknown


def _channels_of(content: str) -> list[str] | None:
    """Return the channels of a stored route, whatever bounds a newer version has; None if unknown."""
    try:
        return msgspec.convert(fields_of(content).get("channels"), list[str])
    except msgspec.ValidationError:
        return None


def _as_far_as_known(name: str, content: str) -> RouteDefinition:
    """Return the stored route *name*, without what only a newer version knows.

    A field that cannot be read has its default, which excludes nothing. The route has no channel if
    its channels are no list of names: see `awaits_route`.
    """
    found = read_content(content, RouteDefinition)
    if not isinstance(found, Unread):
        return found
    stored = fields_of(content)
    known: dict[str, Any] = {"channels": _channels_of(content) or []}
    for field in msgspec.structs.fields(RouteDefinition):
        with suppress(msgspec.ValidationError):
            if field.name in stored and field.name not in known:
                known[field.name] = msgspec.convert(stored[field.name], field.type)
    route = RouteDefinition(**{**known, "name": name})
    try:
        check_route(route)
    except ConfigError:  # hours, days or a time zone of a newer version
        plain = {field: known[field] for field in known.keys() - {"hours", "days", "time_zone"}}
        return RouteDefinition(**{**plain, "name": name})
    return route


def _kinds(channels: Mapping[str, str]) -> Iterator[tuple[str, Kind]]:
    """Yield the name of each channel with its kind, if this version knows the kind.

    Other fields do not matter, so a newer version may have added some.
    """
    for name, content in channels.items():
        kind = KINDS.get(str(fields_of(content).get("kind", "")))
        if kind is not None:
            yield name, kind
