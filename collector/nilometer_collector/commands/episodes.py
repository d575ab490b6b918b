"""`nilometer episodes`: list episodes, and decide about them: acknowledge, silence, new normal."""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nilometer.commands.collector_options import add_collector_options
from nilometer.values.clock import NANOSECONDS, SystemClock
from nilometer.values.errors import ConfigError
from nilometer.values.times import duration_of

if TYPE_CHECKING:
    from nilometer_collector.api.resources.decisions import DecisionView
    from nilometer_collector.api.resources.episodes import EpisodeView

_DECISIONS = {
    "acknowledge": ("acknowledge", "say that you work on an open episode"),
    "silence": ("silence", "send no message about the opening of an episode for a time"),
    "unsilence": ("unsilence", "end the silence of an episode now"),
    "new-normal": ("new-normal", "accept the current values of a part of an episode as normal"),
}
_WITH_END = {
    "acknowledge": "time until the acknowledgement ends, such as 8h; default: the closing ends it",
    "silence": "time until the message is sent after all, such as 2h",
    "new-normal": "time until a user's alerter judges again, such as 7d; not for the default alerter",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer episodes`."""
    parser = subparsers.add_parser(
        "episodes",
        help="list episodes, acknowledge or silence one, or accept a new normal",
        description="List the episodes of a running collector, or record a decision about one. The "
        "author is the principal of the request. Writes to standard output only.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser(
        "list",
        help="list the open episodes",
        description="List episodes, newest first: id, state, severity, opening, entity, summary, and "
        "who decided what. Writes to standard output only.",
    )
    listing.add_argument("--entity", help="list only episodes of this entity")
    listing.add_argument("--all", action="store_true", help="list closed episodes as well")
    add_collector_options(listing)
    listing.set_defaults(run=_list)
    for name, (path, about) in _DECISIONS.items():
        action = actions.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}. Writes to standard output only.",
        )
        action.add_argument("entity", metavar="ENTITY", help="name of the entity")
        action.add_argument("episode", metavar="EPISODE", type=int, help="id of the episode")
        action.add_argument("--reason", required=True, help="reason, which everybody can read")
        if name in _WITH_END:
            action.add_argument(
                "--for",
                dest="duration",
                metavar="DURATION",
                required=name == "silence",
                help=_WITH_END[name],
            )
        if name == "new-normal":
            action.add_argument(
                "--summary",
                default="",
                help="summary of the part; needed if several parts are open",
            )
            action.add_argument(
                "--label",
                action="append",
                default=[],
                metavar="KEY=VALUE",
                help="label of the part; may be repeated",
            )
        add_collector_options(action)
        action.set_defaults(run=_decide, path=path)


def _list(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.episodes import Episodes
    from nilometer_collector.commands.collector_client import CollectorClient

    parameters = {} if arguments.all else {"open": "true"}
    if arguments.entity is not None:
        parameters["entity"] = arguments.entity
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/episodes", Episodes, parameters=parameters
    )
    for one in found.episodes:
        print(_line(one))
    return 0


def _decide(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.decisions import DecisionView
    from nilometer_collector.commands.collector_client import CollectorClient

    body: dict[str, object] = {"reason": arguments.reason}
    if duration := getattr(arguments, "duration", None):
        now_ns = SystemClock().now_ns()
        body["until"] = now_ns / NANOSECONDS + duration_of("--for", duration)
    if arguments.path == "new-normal":
        body |= {"summary": arguments.summary, "labels": _labels(arguments.label)}
    made = CollectorClient.of(arguments).call(
        "POST",
        f"/api/v1/episodes/{arguments.path}",
        DecisionView,
        parameters={"entity": arguments.entity, "episode": str(arguments.episode)},
        body=body,
    )
    print(_sentence(arguments.episode, made))
    return 0


def _labels(pairs: list[str]) -> dict[str, str]:
    """Return the labels of ``KEY=VALUE`` texts.

    Raises:
        ConfigError: If one has another form.
    """
    labels = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"--label = {pair[:64]!r}: must be KEY=VALUE")
        labels[key] = value
    return labels


def _line(episode: "EpisodeView") -> str:
    from nilometer_collector.commands.apply_report import plain

    labels = ", ".join(f"{key}={value}" for key, value in episode.labels.items())
    where = f" [{labels}]" if labels else ""
    decisions = [f"acknowledged by {episode.acknowledged_by}"] * bool(episode.acknowledged_by)
    if episode.silenced_until is not None:
        decisions.append(f"silenced until {_time(episode.silenced_until)}")
    state = "open" if episode.closed is None else "closed"
    line = (
        f"{episode.id}  {state}  {episode.severity}  {_time(episode.opened)}  {episode.entity}  "
        f"{episode.summary}{where}"
    )
    return plain("  ".join([line, *decisions]))


def _sentence(episode: int, made: "DecisionView") -> str:
    from nilometer_collector.commands.apply_report import plain

    kind = made.kind.replace("_", " ")
    until = "" if made.until is None else f" until {_time(made.until)}"
    return plain(f"episode {episode}: {kind} by {made.author}{until}: {made.reason}")


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
