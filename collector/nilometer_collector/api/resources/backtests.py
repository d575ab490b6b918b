"""Backtests: they replay alerters over the stored history, and store nothing."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nilometer.alert import Alerter
from nilometer.values.clock import nanoseconds
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import LAST_SECONDS
from nilometer_collector.api.problems import ApiError
from nilometer_collector.backtest.backtest import Backtests
from nilometer_collector.backtest.records import Firing, Incident, Question, Replay, scored
from nilometer_collector.declared.apart import check_apart
from nilometer_collector.errors import Unknown
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL
from nilometer_collector.watch.rules import current_rules

MOST_ALERTERS = 100  # most alerters in one backtest
MOST_INCIDENTS = 1000
MOST_FIRINGS = 200  # most episodes of one alerter in an answer; the counts include all
MOST_SECONDS = 400 * 86_400
MONTH_SECONDS = 30 * 86_400

_Moment = Annotated[float, Meta(ge=0, le=LAST_SECONDS)]
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]


class IncidentDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident: a time span in which something was wrong."""

    start: _Moment
    end: _Moment  # after the start
    name: _Name
    entity: _Name | None = None  # entity; default all entities


class BacktestDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The alerters to test. Without `alerters` and `watch`, all current alerters are tested."""

    alerters: Annotated[list[AlerterDefinition], Meta(max_length=MOST_ALERTERS)] | UnsetType = UNSET
    watch: Annotated[list[WatchRule], Meta(max_length=MOST_ALERTERS)] | UnsetType = (
        UNSET  # settings of the default alerter, which is then tested, too
    )
    entity: _Name | None = None  # entity; default all entities
    end: _Moment | None = None  # end of the tested time; default now
    seconds: Annotated[float, Meta(ge=300, le=MOST_SECONDS)] = MONTH_SECONDS  # length
    incidents: Annotated[list[IncidentDefinition], Meta(max_length=MOST_INCIDENTS)] = []


class FiringView(msgspec.Struct, frozen=True, kw_only=True):
    """An episode that the alerter would have opened."""

    summary: str
    labels: dict[str, str]
    since: float  # start of the first breach, or estimated start of the drift
    opened: float
    closed: float | None  # null if it is open at the end of the tested time
    worst: float  # value furthest beyond the threshold
    severity: str
    evidence: str
    incidents: list[str]  # names of the marked incidents that it overlaps


class FoundView(msgspec.Struct, frozen=True, kw_only=True):
    """A marked incident that an episode overlaps."""

    name: str
    delay: float  # seconds from its start to the opening; 0 if an episode was open before


class ScoreView(msgspec.Struct, frozen=True, kw_only=True):
    """The episodes compared with the marked incidents."""

    found: list[FoundView]
    missed: list[str]
    outside: list[str]  # incidents at times without data
    false_alarms: int  # episodes that overlap no incident


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """The replay of one alerter."""

    entity: str
    alerter: str
    kind: str
    days: float  # tested days that have data
    window_seconds: float  # length of the judged windows; 0 if none was judged
    judged: int  # judged windows, over all summaries and label sets
    not_judged: int
    episodes: int
    messages: int  # notifications: one for each opening and one for each closing
    episodes_a_month: float  # episodes in 30 days
    messages_a_month: float
    open_seconds: float  # time in which an episode is open
    score: ScoreView | None  # null if no incident is marked for the entity
    notes: list[str]
    firings: list[FiringView]  # oldest first, at most 200


class BacktestView(msgspec.Struct, frozen=True, kw_only=True):
    """The replay of each alerter, most messages first."""

    start: float
    end: float
    alerters: list[ReplayView]


async def run_backtest(call: Call) -> BacktestView:
    """Replay alerters over the stored history.

    Raises:
        Forbidden: If the caller may not read an entity that the body names.
        Unknown: If the entity does not exist.
        TooMuch: If too many samples would be read.
        Busy: If other backtests wait already.
        ApiError: 422 if an incident ends before it starts.
    """
    asked = await read_json(call.request, BacktestDefinition)
    definitions = () if asked.alerters is UNSET else asked.alerters
    # The time zone of an alerter may be read from a file.
    given = await call.context.ask(lambda: [alerter_of(one) for one in definitions])
    for rule in () if asked.watch is UNSET else asked.watch:
        rule.check()
    named = {one.entity for one in given} | ({asked.entity} if asked.entity else set())
    call.access.require(sorted(named))
    for one in definitions:
        check_apart(one, call.context.store.workspaces)
    incidents = [_incident(at, one) for at, one in enumerate(asked.incidents)]
    context = call.context

    def run() -> BacktestView:
        question = _question(call, asked, given, incidents)
        found = Backtests(context.store).run(question)
        return BacktestView(
            start=seconds(question.start_ns),
            end=seconds(question.end_ns),
            alerters=[_replay_view(one, incidents) for one in found],
        )

    return await context.ask_slowly(run)


def _question(
    call: Call, asked: BacktestDefinition, given: list[Alerter], incidents: list[Incident]
) -> Question:
    store, may = call.context.store, call.access.may
    every = asked.alerters is UNSET and asked.watch is UNSET
    known = {one.entity for one in store.samples.totals()}
    if asked.entity is not None:
        if asked.entity not in known | store.alerts.entities():
            raise Unknown(f"entity {asked.entity!r} does not exist")
        entities = [asked.entity]
    else:
        all_known = every or asked.watch is not UNSET
        entities = sorted({one.entity for one in given} | (known if all_known else set()))
        entities = [one for one in entities if may(one)]
    chosen = store.alerts.alerters(asked.entity) if every else given
    rules = current_rules(store, call.context.watch_rules) if every else None
    if asked.watch is not UNSET:
        rules = tuple(asked.watch)
    end_ns = call.context.clock.now_ns() if asked.end is None else nanoseconds(asked.end)
    return Question(
        start_ns=max(end_ns - nanoseconds(asked.seconds), 0),
        end_ns=end_ns,
        entities=entities,
        alerters=[one for one in chosen if one.entity in entities],
        rules=rules,
        incidents=incidents,
    )


def _incident(at: int, one: IncidentDefinition) -> Incident:
    if one.end <= one.start:
        raise ApiError(422, f"incidents[{at}].end: must be after its start", f"incidents[{at}].end")
    start_ns, end_ns = nanoseconds(one.start), nanoseconds(one.end)
    return Incident(start_ns=start_ns, end_ns=end_ns, name=one.name, entity=one.entity)


def _replay_view(replay: Replay, incidents: list[Incident]) -> ReplayView:
    score = scored(replay, incidents)
    own = [one for one in incidents if one.concerns(replay.entity)]
    view = None
    if score is not None:
        view = ScoreView(
            found=[FoundView(name=one.name, delay=seconds(delay)) for one, delay in score.found],
            missed=[one.name for one in score.missed],
            outside=[one.name for one in score.outside],
            false_alarms=score.false_alarms,
        )
    return ReplayView(
        entity=replay.entity,
        alerter=replay.alerter,
        kind=replay.kind,
        days=replay.days,
        window_seconds=seconds(replay.window_ns),
        judged=replay.judged,
        not_judged=replay.not_judged,
        episodes=len(replay.firings),
        messages=replay.messages,
        episodes_a_month=replay.a_month(len(replay.firings)),
        messages_a_month=replay.a_month(replay.messages),
        open_seconds=seconds(replay.open_ns),
        score=view,
        notes=list(replay.notes),
        firings=[_firing_view(one, own) for one in replay.firings[:MOST_FIRINGS]],
    )


def _firing_view(firing: Firing, incidents: list[Incident]) -> FiringView:
    return FiringView(
        summary=firing.summary,
        labels=firing.labels.as_dict(),
        since=seconds(firing.since_ns),
        opened=seconds(firing.opened_ns),
        closed=None if firing.closed_ns is None else seconds(firing.closed_ns),
        worst=firing.worst,
        severity=firing.severity,
        evidence=firing.evidence,
        incidents=[one.name for one in incidents if firing.meets(one)],
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/backtests",
        name="runBacktest",
        about="Replay alerters over the stored history; nothing is stored.",
        handler=run_backtest,
        answer=BacktestView,
        body=BacktestDefinition,
        errors=(400, 404, 413, 415, 422, 503),
    ),
)
