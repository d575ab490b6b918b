"""The steps of runs, which both databases share. Each implements `RunTables` inside a transaction.

Everything that decides is here or in `alerting.action_runs`. A turn of a run is stored in one
transaction with the messages about it.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import Overdue
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.alerting.action_runs import (
    DAY_NS,
    UPGRADE,
    EpisodeFacts,
    Facts,
    Run,
    RunTurn,
    accepted,
    approve,
    decide,
    decline,
    lost,
    may_decide,
    not_answered,
    refused,
    started,
    waits_for,
)
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import ActionDefinition, ActionSubject, is_for
from nilometer_collector.alerting.decisions import silence_of
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.store.acting import DeclaredActions, Reply, RunQuestion, RunTables, Verdict
from nilometer_collector.store.named import unread_of
from nilometer_collector.store.records import EpisodeRecord
from nilometer_collector.store.texts import storable

FIRST_TURN = "the condition of the action is checked"
NO_EPISODE = "the episode does not exist any more"

log = logging.getLogger("nilometer.collector")


class Steps:
    """Advances runs inside one transaction.

    Args:
        tables: Rows of the transaction.
        now_ns: Wall time.
        performance: Newest value of each known metric.
    """

    def __init__(
        self, tables: RunTables, now_ns: int, performance: Mapping[str, float] | None = None
    ) -> None:
        self._tables = tables
        self._now_ns = now_ns
        self._performance = performance or {}

    def advance(self, entity: str) -> int:
        """Make and advance the runs of *entity*; return the number of queued messages."""
        self._tables.lock()
        actions = self._tables.actions()
        episodes = {one.id: one for one in self._tables.episodes(entity)}
        for episode in sorted(episodes.values(), key=lambda one: one.id):
            if episode.closed_ns is None:
                self._make(episode, actions.known)
        told = 0
        for run in reversed(self._tables.runs(RunQuestion(entity=entity, is_over=False))):
            told += self._advance(run, actions, episodes.get(run.episode)) or 0
        return told

    def take(self) -> Run | None:
        """Return the next run to send, held by this collector.

        A run that cannot be advanced is left out, so that it does not hold up the others. One whose
        target a newer version wrote is left to a collector of that version.
        """
        unread = unread_of(self._tables.targets(), TargetDefinition)
        for entity, identity in self._tables.to_send(self._now_ns):
            self._tables.lock()
            run, actions = self.read(identity), self._tables.actions()
            episodes = {one.id: one for one in self._tables.episodes(entity)}
            if not run.state.is_under_way or not _is_ours(run, actions):
                continue
            if self._advance(run, actions, episodes.get(run.episode)) is None:
                continue
            run = self.read(identity)
            sending = {RunState.APPROVED, RunState.SENDING, RunState.SENT}
            if run.state not in sending or run.action.target in unread:
                continue
            if not self._tables.hold(run):
                continue
            if run.state is RunState.APPROVED:
                turn = RunTurn(
                    state=RunState.SENDING, at_ns=self._now_ns, reason="it is sent to the target"
                )
                self._turn(run, turn)
            return self.read(identity)
        return None

    def answered(self, run: Run, reply: Reply) -> int:
        """Record an attempt, and its effect if this collector still has the run."""
        self._tables.lock()
        known = self.read(run.id)
        is_ours = known.state in {RunState.SENDING, RunState.SENT} and self._tables.holds(known)
        self._tables.attempted(known, reply, self._now_ns)
        if not is_ours:
            return 0
        if reply.outcome == "delivered":
            return self._turn(known, accepted(self._now_ns))
        if reply.outcome == "refused":
            return self._turn(known, refused(reply.reason, self._now_ns))
        if reply.may_have_arrived and not reply.may_repeat:
            return self._turn(known, lost(reply.reason, self._now_ns))
        turn = not_answered(
            known, reply.reason, self._now_ns, may_have_arrived=reply.may_have_arrived
        )
        return 0 if turn is None else self._turn(known, turn)

    def judge(self, identity: int, verdict: Verdict) -> Run:
        """Record the approval or the refusal of a run."""
        self._tables.lock()
        run = self.read(identity)
        if not run.is_read:
            raise Conflict(f"run {identity}: {UPGRADE}")
        by_link = verdict.by_link and run.action.approve_by_link
        if not by_link and not may_decide(run.action, verdict.author):
            raise Forbidden(f"{verdict.author!r} may not approve the action {run.action.name!r}")
        make = approve if verdict.is_approval else decline
        self._turn(run, make(run, storable(verdict.author), verdict.reason, self._now_ns))
        return self.read(identity)

    def start(self, entity: str, episode: int, name: str, verdict: Verdict) -> Run:
        """Start an action for an episode, because a person wants it."""
        self._tables.lock()
        found = next((one for one in self._tables.episodes(entity) if one.id == episode), None)
        if found is None:
            raise Unknown(f"{entity} has no open episode {episode}")
        subject = subject_of(found)
        fitting = [
            one for one in self._tables.actions().known if one.name == name and is_for(one, subject)
        ]
        if not fitting:
            raise Unknown(f"there is no action {name!r} for episode {episode} of {entity}")
        if len(fitting) > 1:
            raise Conflict(f"{len(fitting)} actions are named {name!r} for {entity}: rename one")
        action = fitting[0]
        runs = self._tables.runs(RunQuestion(entity=entity, episodes=[episode]))
        number = 1 + max(
            (one.number for one in runs if _key(one.action) == _key(action)), default=0
        )
        run = _new_run(found, action, number, self._now_ns)
        facts = self._facts(run, [action], found)
        turn = started(facts, storable(verdict.author), storable(verdict.reason), self._now_ns)
        run = self._tables.add(replace(run, turns=()))
        self._turn(run, turn)
        return self.read(run.id)

    def read(self, identity: int) -> Run:
        """Return the run with this id.

        Raises:
            Unknown: If there is none.
        """
        found = self._tables.runs(RunQuestion(run=identity))
        if not found:
            raise Unknown(f"there is no run {identity}")
        return found[0]

    def _make(self, episode: EpisodeRecord, actions: Sequence[ActionDefinition]) -> None:
        """Make a run of each action that is for *episode* and has none."""
        if isinstance(episode.alerter.condition, Overdue):  # it is about the monitoring itself
            return
        subject = subject_of(episode)
        fitting = [one for one in actions if is_for(one, subject)]
        if not fitting:
            return
        asked = RunQuestion(entity=subject.entity, episodes=[episode.id])
        known = {_key(one.action) for one in self._tables.runs(asked) if not one.number}
        for action in fitting:
            if _key(action) not in known:
                self._tables.add(_new_run(episode, action, 0, self._now_ns))

    def _advance(
        self, run: Run, actions: DeclaredActions, episode: EpisodeRecord | None
    ) -> int | None:
        """Advance a run; return the number of queued messages, None if it has failed."""
        if not _is_ours(run, actions):
            return 0
        if episode is None:  # nobody can be told: the receivers of the message follow from it
            gone = RunTurn(state=RunState.FAILED, at_ns=self._now_ns, reason=NO_EPISODE)
            self._tables.turn(replace(run, state=gone.state, turns=(*run.turns, gone)), gone)
            return None
        try:
            facts = self._facts(run, actions.known, episode)
            turn = decide(run, facts, self._now_ns)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            log.exception(
                "a run cannot be advanced, the others go on: report this error",
                extra={"run": run.id, "entity": run.entity, "action": run.action.name},
            )
            return None
        if turn is not None:
            was_waiting = run.state is RunState.WAITING
            changed = replace(run, action=facts.action) if was_waiting and facts.action else run
            return self._turn(changed, turn)
        if run.state is RunState.WAITING and facts.action is not None:
            self._tables.held_by(run, waits_for(facts.action, facts, self._now_ns))
        return 0

    def _turn(self, run: Run, turn: RunTurn) -> int:
        after = replace(run, state=turn.state, turns=(*run.turns, turn))
        identity = self._tables.turn(after, turn)
        return self._tables.tell(after, identity, self._now_ns) if turn.state.is_told else 0

    def _facts(
        self, run: Run, actions: Sequence[ActionDefinition], episode: EpisodeRecord
    ) -> Facts:
        action = next((one for one in actions if _key(one) == _key(run.action)), None)
        known = action or run.action
        others = [
            one.action.name
            for one in self._tables.runs(RunQuestion(entity=run.entity, is_over=False))
            if one.id != run.id and one.state.is_under_way
        ]
        newest_ns, starts = self._tables.started(known, run.entity, self._now_ns - DAY_NS)
        subject = subject_of(episode)
        return Facts(
            episode=_episode_facts(
                episode, self._tables.heard_ns(run.entity, subject.summaries), self._now_ns
            ),
            action=action,
            others=others,
            started_ns=newest_ns,
            starts=starts,
            performance=self._performance.get(known.performance),
        )


def subject_of(episode: EpisodeRecord) -> ActionSubject:
    """Return where *episode* is, and what has moved in it."""
    moved = dict.fromkeys(part.summary for part in episode.parts) or (episode.summary,)
    return ActionSubject(
        entity=episode.alerter.entity, labels=episode.labels, summaries=tuple(moved)
    )


def _is_ours(run: Run, actions: DeclaredActions) -> bool:
    """Return whether this version can read the action of *run*, as it was and as it is now."""
    return run.is_read and _key(run.action) not in actions.unread


def _key(action: ActionDefinition) -> tuple[str, str]:
    return action.entity, action.name


def _new_run(episode: EpisodeRecord, action: ActionDefinition, number: int, now_ns: int) -> Run:
    return Run(
        id=0,
        key=uuid.uuid4().hex,
        entity=episode.alerter.entity,
        episode=episode.id,
        number=number,
        action=action,
        state=RunState.WAITING,
        turns=(RunTurn(state=RunState.WAITING, at_ns=now_ns, reason=FIRST_TURN),),
    )


def _episode_facts(episode: EpisodeRecord, heard_ns: int, now_ns: int) -> EpisodeFacts:
    openings = [turn for turn in episode.history if turn.status == AlertStatus.ALERTING.value]
    last = episode.history[-1]
    is_closed = episode.closed_ns is not None
    condition = episode.alerter.condition
    effects = [part.bound for part in episode.parts] or [condition.excess(episode.worst)]
    return EpisodeFacts(
        severity=openings[-1].alerter.severity,
        opened_ns=openings[0].recorded_ns,
        closed_ns=last.recorded_ns if is_closed else None,
        is_cleared=is_closed and last.status == AlertStatus.OK.value,
        effect=max(effects),
        is_silenced=silence_of(episode.decisions, now_ns) is not None,
        heard_ns=heard_ns,
    )
