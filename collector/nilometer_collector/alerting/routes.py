"""Routes: which channels get the notifications of an episode, and at what times of day."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from nilometer.alert import Severity
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.nearest import did_you_mean
from nilometer.values.time_zone import zone_names
from nilometer_collector.access.workspaces import OwnedName, owner_of
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL

ALWAYS = "00:00-24:00"

_CLOCK = "([01][0-9]|2[0-3]):([0-5][0-9])"
_HOURS = re.compile(f"{_CLOCK}-(?:{_CLOCK}|24:00)")
_DAY_MINUTES = 24 * 60
_ORDER = tuple(Severity)

Pattern: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)
]
Patterns: TypeAlias = Annotated[list[Pattern], Meta(min_length=1, max_length=64)]
Owner: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
Owners: TypeAlias = Annotated[list[Owner], Meta(min_length=1, max_length=64)]
Hours: TypeAlias = Annotated[str, Meta(pattern=f"^{_HOURS.pattern}$")]
Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days: TypeAlias = Annotated[list[Day], Meta(min_length=1, max_length=7)]


class RouteDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route: the episodes that match every field are told to its channels.

    Attributes:
        name: Name of the route, unique in the collector. The route of a workspace has the form
            ``workspace/name``; it is for entities of this workspace only.
        channels: Names of the channels that get the notifications. Those of a route of a workspace
            must be of the same workspace.
        entities: Patterns over names of entities; one must match.
        owners: Patterns over the owner that the entity declares; one must match. An entity without
            a declared owner has the owner "".
        severity: Least severity.
        labels: Pattern for each label key that the episode must have.
        hours: Hours of the day in which it tells, ``09:00-17:30``. ``22:00-06:00`` ends on the next
            day, and so does ``09:00-09:00``.
        days: Days on which its hours begin.
        time_zone: IANA name of the recipients' time zone.
        outside: What happens outside the hours: ``hold`` tells when they begin, unless the episode
            has closed by then; ``skip`` leaves the notification to other routes.
    """

    name: OwnedName
    channels: Annotated[list[OwnedName], Meta(min_length=1, max_length=16)]
    entities: Patterns = msgspec.field(default_factory=lambda: ["*"])
    owners: Owners = msgspec.field(default_factory=lambda: ["*"])
    severity: Literal["info", "warning", "critical"] = "info"
    labels: Annotated[dict[Pattern, Pattern], Meta(max_length=16)] = {}
    hours: Hours = ALWAYS
    days: Days = msgspec.field(default_factory=lambda: list(DAYS))
    time_zone: str = "UTC"
    outside: Literal["hold", "skip"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What routes look at: an episode's entity, its declared owner, severity and labels."""

    entity: str
    owner: str
    severity: Severity
    labels: Labels


def check_route(route: RouteDefinition) -> None:
    """Refuse a route whose hours or time zone do not exist, or that leaves its workspace.

    Raises:
        ConfigError: The message names the route, the field and what is allowed.
    """
    key = f"route {route.name!r}"
    _zone(key, route.time_zone)
    _minutes(key, route.hours)
    if len(set(route.days)) < len(route.days):
        raise ConfigError(f"{key}: days: names a day twice")
    owner = owner_of(route.name)
    for channel in route.channels if owner else ():
        if owner_of(channel) != owner:
            raise ConfigError(
                f"{key}: channels = {channel!r}: must be a channel of the workspace {owner!r}"
            )


def routed(
    routes: Iterable[RouteDefinition], channels: Sequence[str], subject: Subject, now_ns: int
) -> Mapping[str, int]:
    """Return the channels that are told about *subject*, each with its earliest time.

    A channel that no route names is told about everything.

    Args:
        routes: All routes.
        channels: Names of all channels.
        subject: Episode that opens.
        now_ns: Wall time, Unix nanoseconds.

    Returns:
        Earliest Unix nanoseconds of the notification by name of channel; 0 means now.
    """
    known = list(routes)
    named = {channel for route in known for channel in route.channels}
    found = {channel: 0 for channel in channels if channel not in named}
    for route in known:
        if not _matches(route, subject):
            continue
        due_ns = next_open_ns(route, now_ns)
        if due_ns and route.outside == "skip":
            continue
        for channel in route.channels:
            if channel in channels:
                found[channel] = min(found.get(channel, due_ns), due_ns)
    return found


def next_open_ns(route: RouteDefinition, now_ns: int) -> int:
    """Return when the hours of *route* begin next, Unix nanoseconds; 0 if it is within them."""
    if route.hours == ALWAYS and len(route.days) == len(DAYS):
        return 0
    key = f"route {route.name!r}"
    zone, (first, last) = _zone(key, route.time_zone), _minutes(key, route.hours)
    today = datetime.fromtimestamp(now_ns // NANOSECONDS, zone).date()
    for ahead in range(-1, 8):  # the hours of yesterday may end today
        day = today + timedelta(days=ahead)
        if DAYS[day.weekday()] not in route.days:
            continue
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        start_ns = _at(midnight, first)
        end_ns = _at(midnight, last if last > first else last + _DAY_MINUTES)
        if start_ns <= now_ns < end_ns:
            return 0
        if start_ns > now_ns:
            return start_ns
    return 0


def _matches(route: RouteDefinition, subject: Subject) -> bool:
    labels = subject.labels.as_dict()
    return (
        _ORDER.index(subject.severity) >= _ORDER.index(Severity(route.severity))
        and _any(subject.entity, route.entities)
        and _any(subject.owner, route.owners)
        and all(
            key in labels and fnmatchcase(labels[key], wanted)
            for key, wanted in route.labels.items()
        )
    )


def _any(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _zone(key: str, name: str) -> tzinfo:
    if name not in zone_names():
        hint = did_you_mean(name[:MAX_NAME_CHARACTERS], zone_names())
        raise ConfigError(
            f"{key}: time_zone = {name[:64]!r}: is not an IANA name that this collector knows{hint}"
        )
    return ZoneInfo(name)


def _minutes(key: str, hours: str) -> tuple[int, int]:
    """Return the minutes after midnight at which *hours* begin and end."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise ConfigError(f"{key}: hours = {hours[:64]!r}: must have the form 09:00-17:30")
    first = int(found[1]) * 60 + int(found[2])
    return first, _DAY_MINUTES if found[3] is None else int(found[3]) * 60 + int(found[4])


def _at(midnight: datetime, minutes: int) -> int:
    """Return the wall time *minutes* after *midnight* as shown by the clocks of its zone."""
    days, rest = divmod(minutes, _DAY_MINUTES)
    local = midnight.replace(hour=rest // 60, minute=rest % 60) + timedelta(days=days)
    return int(local.timestamp()) * NANOSECONDS
