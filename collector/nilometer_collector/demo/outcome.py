"""The result of the demo: the alarms, the messages, and the fate of every request."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

import httpx
import msgspec

from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer_collector.api.resources.actions import Runs
from nilometer_collector.api.resources.episodes import Episodes, EpisodeView
from nilometer_collector.api.resources.watch import Watches
from nilometer_collector.demo.judged import (
    Figure,
    read_cause,
    read_estimate,
    read_realised,
    send_labels,
)
from nilometer_collector.demo.model import FEATURES, OUTPUT
from nilometer_collector.demo.names import ENTITY
from nilometer_collector.demo.replay import BROKEN_FEATURE, Flight
from nilometer_collector.demo.slack import SlackStandIn

BROKEN_SUMMARY = f"input.{BROKEN_FEATURE}"
WATCHED = {f"input.{feature}" for feature in FEATURES} | {f"output.{OUTPUT}"}
MAY_MOVE = {BROKEN_SUMMARY, f"output.{OUTPUT}"}  # the output depends on the broken feature
DECLARED_ACTIONS = {"check-the-source": "dry_run"}  # what the alarm does to those of apply/
STATES = {"dry_run": "is in dry run, and recorded that it would have asked a person"}
ACTION = "ACTION "  # how a message about an action begins
MESSAGE_SECONDS = 15.0  # time to deliver the messages


class Alert(TypedDict):
    """An episode that opened during the demo. Times are ISO 8601, UTC."""

    entity: str
    alerter: str
    summary: str  # summary that moved most
    parts: list[str]  # all summaries that moved, by name
    since: str  # estimated start of the drift
    opened: str  # end of the window that opened the episode
    closed: str | None
    comparator: str
    value: float
    threshold: float
    evidence: str
    cause: str  # likeliest cause; empty without one


class Result(TypedDict):
    """Result of the demo: counts of requests, alarms, and the status of each summary."""

    observed: int
    profiled: int
    stored: int
    dropped: dict[str, int]
    alerts: list[Alert]
    statuses: dict[str, str]
    actions: dict[str, str]  # states of the runs of declared actions, by name
    estimated: Figure | None  # of the first day of the fault, before labels
    labels: dict[str, int]  # labels by what became of them
    realised: Figure | None  # of the same day, with labels
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of the demo.

    Attributes:
        result: Counts, alarms and statuses.
        phase: Phase of the default alerter.
        messages: Messages that Slack would show, oldest first.
    """

    result: Result
    phase: str
    messages: list[str]

    def errors(self, break_from: datetime) -> Iterator[str]:
        """Yield differences from the expected outcome: no loss, one alarm that names the fault.

        Args:
            break_from: Time, UTC, from which the feature was broken.
        """
        result, alerts = self.result, self.result["alerts"]
        if sum(result["dropped"].values()) or result["observed"] != result["stored"]:
            yield "not every request was stored"
        if self.phase != "ACTIVE":
            yield f"the alerter is in the phase {self.phase}, although past windows taught it"
        if result["actions"] != DECLARED_ACTIONS:
            yield f"the actions are {result['actions']}, not {DECLARED_ACTIONS}"
        alarms = [one for one in self.messages if not one.startswith(ACTION)]
        if len(alarms) != 1:
            yield f"{len(alarms)} messages about alarms were sent, not one"
        if not alerts:
            yield f"no alarm was raised, although {BROKEN_SUMMARY} was broken"
        for alert in alerts:
            yield from _errors_of(alert, break_from)
        yield from self._unjudged()
        statuses = result["statuses"]
        moved = {name for alert in alerts for name in alert["parts"]}
        for name in sorted(moved - MAY_MOVE):
            yield f"{name} alarmed, and was not broken"
        for name in sorted(WATCHED - moved):
            status = statuses.get(name, "missing")
            if status != "OK":
                yield f"the status of {name} is {status}, not OK"

    def sentences(self, break_from: datetime) -> Iterator[str]:
        """Yield the description of the outcome, line by line.

        Args:
            break_from: Time, UTC, from which the feature was broken.
        """
        result = self.result
        lost = sum(result["dropped"].values())
        yield (
            f"\n{result['observed']} requests observed = {result['stored']} stored + {lost} dropped, "
            f"in {result['seconds']} s."
        )
        for alert in result["alerts"]:
            yield f"\nALARM: {alert['evidence']}"
            others = [name for name in alert["parts"] if name != alert["summary"]]
            moved = f" {', '.join(others)} moved with it." if others else ""
            yield (
                f"{alert['summary']} leads it.{moved} It opened with the window that ended on "
                f"{_readable(datetime.fromisoformat(alert['opened']))}. The fault began with the "
                f"flights of {break_from:%Y-%m-%d}."
            )
        quiet = [name for name in sorted(WATCHED) if result["statuses"].get(name) == "OK"]
        yield f"Quiet: {', '.join(quiet)}."
        for message in self.messages:
            yield f"\nThe message to the declared channel flights-team:\n  {message}"
        for name, state in result["actions"].items():
            yield f"The declared action {name}: {STATES.get(state, state)}."
        yield from self._judged(break_from)
        for error in self.errors(break_from):
            yield f"\nERROR: {error}."

    def _unjudged(self) -> Iterator[str]:
        """Yield what is missing of cause, estimate and realised figure."""
        result = self.result
        if not all(alert["cause"] for alert in result["alerts"]):
            yield "an alarm has no likely cause"
        if result["estimated"] is None:
            yield "the performance could not be estimated from the scores"
        if result["realised"] is None or result["labels"] != {"joined": result["observed"]}:
            yield f"not every label was joined: {result['labels']}"

    def _judged(self, break_from: datetime) -> Iterator[str]:
        """Yield what the alarm means for the model: cause, estimate and realised figure."""
        for alert in self.result["alerts"]:
            yield f"\nLikely cause: {alert['cause']}"
        estimated, realised = self.result["estimated"], self.result["realised"]
        if estimated is not None:
            yield (
                f"Estimated before labels arrive: {_share(estimated)} of the predictions of "
                f"{break_from:%Y-%m-%d} are right."
            )
        if realised is not None:
            yield (
                f"Realised after {self.result['labels']['joined']} labels arrived: "
                f"{_share(realised)} of them were right."
            )


def read_outcome(
    page: str, flights: list[Flight], break_from: datetime, slack: SlackStandIn, started: float
) -> Outcome:
    """Read the outcome from the collector, after it has sent its messages; then send the labels.

    Args:
        page: URL of the collector.
        flights: Flights whose requests were answered.
        break_from: Time, UTC, from which the feature was broken.
        slack: Receiver of the messages.
        started: Monotonic time in seconds when the demo started.
    """
    of_entity = {"entity": ENTITY}
    with httpx.Client(base_url=f"{page}/api/v1", trust_env=False) as client:
        samples = client.get("/samples", params={**of_entity, "summary": "service"}).json()
        answer = client.get("/episodes", params=of_entity).content
        episodes = msgspec.json.decode(answer, type=Episodes).episodes
        answer = client.get("/watch", params=of_entity).content
        (watched,) = msgspec.json.decode(answer, type=Watches).entities
    dropped: dict[str, int] = {}
    profiled = stored = 0
    for sample in samples["samples"]:
        coverage = sample["coverage"]
        profiled += coverage["profiled"]
        stored += coverage["seen"] - sum(coverage["dropped"].values())
        for reason, count in coverage["dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + count
    changes = sum(len(episode.history) for episode in episodes)
    actions: dict[str, str] = {}
    deadline = time.monotonic() + MESSAGE_SECONDS
    while time.monotonic() < deadline:
        actions = _read_actions(page)
        if len(slack.messages) >= changes + len(DECLARED_ACTIONS) and actions == DECLARED_ACTIONS:
            break
        time.sleep(0.05)
    estimated = read_estimate(page, break_from)
    alerts = [_alert(episode, read_cause(page, episode.id)) for episode in episodes]
    labels = send_labels(page, flights)
    result: Result = {
        "observed": len(flights),
        "profiled": profiled,
        "stored": stored,
        "dropped": dropped,
        "alerts": alerts,
        "statuses": {one.summary: one.status for one in watched.summaries},
        "actions": actions,
        "estimated": estimated,
        "labels": labels,
        "realised": read_realised(page, break_from) if labels.get("joined") else None,
        "seconds": round(time.monotonic() - started, 1),
    }
    return Outcome(result=result, phase=watched.phase, messages=list(slack.messages))


def _read_actions(page: str) -> dict[str, str]:
    """Return the states of the runs of declared actions, by the name of the action."""
    answer = httpx.get(f"{page}/api/v1/actions/runs", params={"entity": ENTITY}, trust_env=False)
    return {one.action: one.state for one in msgspec.json.decode(answer.content, type=Runs).runs}


def _errors_of(alert: Alert, break_from: datetime) -> Iterator[str]:
    """Yield the differences between *alert* and the expected one."""
    summary = alert["summary"]
    if alert["alerter"] != DEFAULT_ALERTER or summary != BROKEN_SUMMARY:
        yield f"{summary} alarmed, and was not broken"
    if datetime.fromisoformat(alert["opened"]) <= break_from:
        yield f"{summary} alarmed before the fault"
    if alert["closed"] is not None:
        yield f"the alarm of {summary} ended, although the fault remains"


def _alert(episode: EpisodeView, cause: str) -> Alert:
    return {
        "entity": episode.entity,
        "alerter": episode.alerter,
        "summary": episode.summary,
        "parts": sorted({part.summary for part in episode.parts}),
        "since": _time(episode.breached_since).isoformat(),
        "opened": _time(episode.opened).isoformat(),
        "closed": None if episode.closed is None else _time(episode.closed).isoformat(),
        "comparator": episode.comparator,
        "value": episode.value,
        "threshold": episode.threshold,
        "evidence": episode.evidence,
        "cause": cause,
    }


def _share(figure: Figure) -> str:
    return f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})"


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def _readable(at: datetime) -> str:
    return f"{at:%Y-%m-%d at %H:%M} UTC"
