"""Converts rows to records of the store; both databases select their columns in this order."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from nilometer.alert import AlertStatus, EpisodeState, Reason
from nilometer.wire.alerts import stored_alerter_from_bytes
from nilometer_collector.alerting.action_runs import UPGRADE, Run, RunTurn
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import ActionDefinition
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.episodes import OpenEpisode
from nilometer_collector.alerting.statuses import AlerterStatus, status_over_agents
from nilometer_collector.store import label_text
from nilometer_collector.store.acting import definition_from
from nilometer_collector.store.delivery_records import AttemptRecord, DeliveryRecord, status_of
from nilometer_collector.store.entity_records import (
    DeclaredEntity,
    EntityDeclaration,
    EntityKind,
)
from nilometer_collector.store.history_records import Change, ChangeRecord, Key, Origin
from nilometer_collector.store.records import (
    EpisodeRecord,
    PartRecord,
    ReferenceRecord,
    SeriesRecord,
    TransitionRecord,
)


def series_of(row: Sequence[Any]) -> SeriesRecord:
    """Return the series in *row*."""
    return SeriesRecord(
        id=row[0],
        entity=row[1],
        summary=row[2],
        labels=label_text.from_text(row[3]),
        seen=row[4],
        numbers=row[5],
        categories=row[6],
        samples=row[7],
        first_start_ns=row[8],
        last_end_ns=row[9],
        longest_window_ns=row[10],
        last_window_ns=row[11],
        last_received_ns=row[12],
    )


def reference_of(row: Sequence[Any]) -> ReferenceRecord:
    """Return the version of a reference in *row*."""
    return ReferenceRecord(
        id=row[0],
        entity=row[1],
        name=row[2],
        digest=row[3],
        created_ns=row[4],
        rows=row[5],
        source=row[6],
        current=bool(row[7]),
        expires_ns=row[8],
    )


def episode_of(
    row: Sequence[Any],
    history: Iterable[TransitionRecord],
    parts: Iterable[PartRecord],
    decisions: Iterable[Decision],
) -> EpisodeRecord:
    """Return the episode in *row*, with its *history*, *parts* and *decisions*, oldest first."""
    return EpisodeRecord(
        id=row[0],
        summary=row[1],
        labels=label_text.from_text(row[2]),
        alerter=stored_alerter_from_bytes(row[3]),
        opened_ns=row[4],
        closed_ns=row[5],
        worst=row[6],
        reference_digest=row[7],
        evidence=row[8],
        since_ns=row[9],
        worst_ns=row[10],
        number=row[11],
        history=tuple(history),
        parts=tuple(parts),
        decisions=tuple(decisions),
    )


def open_episode_of(row: Sequence[Any]) -> OpenEpisode:
    """Return the open episode in *row*."""
    return OpenEpisode(
        id=row[0],
        opened_ns=row[1],
        worst=row[2],
        severity=stored_alerter_from_bytes(row[3]).severity,
    )


def state_of(row: Sequence[Any]) -> EpisodeState:
    """Return the state of an agent in *row*."""
    return EpisodeState(
        status=AlertStatus(row[0]),
        breaches=row[1],
        fines=row[2],
        since_ns=row[3],
        last_end_ns=row[4],
        reason=Reason(row[5]),
        sentence=row[6],
        value=row[7],
        value_end_ns=row[8],
    )


def statuses_of(rows: Iterable[Sequence[Any]]) -> list[AlerterStatus]:
    """Return the status of each alerter, summary and label set in *rows*, which are sorted.

    A row has the entity, alerter, summary and labels, whether an episode is open, whether the alerter
    is quiet, and the columns of `state_of`.
    """
    return [
        status_over_agents(
            (key[0], key[1], key[2], label_text.from_text(key[3])),
            [state_of(row[6:]) for row in group],
            is_open=bool(key[4]),
            is_quiet=bool(key[5]),
        )
        for key, group in groupby(rows, key=lambda row: tuple(row[:6]))
    ]


def decision_of(row: Sequence[Any]) -> Decision:
    """Return the decision in *row*."""
    return Decision(
        kind=DecisionKind(row[0]),
        author=row[1],
        reason=row[2],
        made_ns=row[3],
        until_ns=row[4],
        summary=row[5],
        labels=label_text.from_text(row[6]),
        is_pending=bool(row[7]),
        has_lapsed=bool(row[8]),
        link=row[9],
        declared=row[10],
    )


def part_of(row: Sequence[Any]) -> PartRecord:
    """Return the part of an episode in *row*."""
    return PartRecord(
        summary=row[0],
        labels=label_text.from_text(row[1]),
        component=row[2],
        direction=row[3],
        onset_ns=row[4],
        opened_ns=row[5],
        closed_ns=row[6],
        effect=row[7],
        bound=row[8],
        tolerance=row[9],
        unit=row[10],
        severity=row[11],
        evidence=row[12],
        ended=row[13],
    )


def transition_of(row: Sequence[Any]) -> TransitionRecord:
    """Return the opening or closing in *row*."""
    return TransitionRecord(
        status=row[0],
        at_ns=row[1],
        window_start_ns=row[2],
        recorded_ns=row[3],
        value=row[4],
        evidence=row[5],
        reference_digest=row[6],
        alerter=stored_alerter_from_bytes(row[7]),
    )


def delivery_of(row: Sequence[Any], attempts: Iterable[AttemptRecord]) -> DeliveryRecord:
    """Return the delivery in *row*, with the *attempts* at its message, oldest first."""
    settled = zip(("delivered", "refused", "withheld"), row[8:11], strict=True)
    outcome, settled_ns = next(
        ((word, at_ns) for word, at_ns in settled if at_ns is not None), ("waiting", None)
    )
    return DeliveryRecord(
        id=row[0],
        channel=row[1],
        key=row[2],
        entity=row[3],
        episode=row[4],
        status=status_of(row[5], row[13], is_acknowledgement=row[6]),
        created_ns=row[7],
        outcome=outcome,
        settled_ns=settled_ns,
        tries=row[11],
        last_failure=row[12] or "",
        attempts=tuple(attempts),
    )


def run_of(row: Sequence[Any], turns: Iterable[RunTurn]) -> Run:
    """Return the run of an action in *row*, with its *turns*, oldest first."""
    action, state = definition_from(row[5]), RunState.of(row[6])
    is_read = action is not None and state is not RunState.UNREAD
    return Run(
        id=row[0],
        key=row[1],
        entity=row[2],
        episode=row[3],
        number=row[4],
        action=action or _placeholder(row[5]),
        is_read=is_read,
        state=state,
        turns=tuple(turns),
        attempts=row[7],
        last_failure=row[8],
        waits_for=row[9] if is_read else UPGRADE,
    )


def _placeholder(text: str) -> ActionDefinition:
    """Return the names in a definition that this version cannot read, in an action that does nothing."""
    content = json.loads(text)
    return ActionDefinition(entity=content["entity"], name=content["name"], cure="ask_human")


def run_turn_of(row: Sequence[Any]) -> RunTurn:
    """Return the turn of a run in *row*."""
    return RunTurn(state=RunState.of(row[0]), at_ns=row[1], author=row[2], reason=row[3])


def declared_entity_of(row: Sequence[Any]) -> DeclaredEntity:
    """Return the declared entity in *row*."""
    declaration = EntityDeclaration(
        kind=EntityKind(row[1]),
        owner=row[2],
        time_zone=row[3],
        description=row[4],
        attributes=msgspec.json.decode(row[5], type=dict[str, str]),
        reads_from=tuple(msgspec.json.decode(row[6], type=list[str])),
        columns=msgspec.json.decode(row[7], type=dict[str, dict[str, str]]),
    )
    return DeclaredEntity(name=row[0], declaration=declaration, version=row[8], updated_ns=row[9])


def declaration_columns(declaration: EntityDeclaration) -> tuple[str, ...]:
    """Return kind, owner, time zone, description, attributes, edges and their columns as columns."""
    return (
        declaration.kind.value,
        declaration.owner,
        declaration.time_zone,
        declaration.description,
        msgspec.json.encode(dict(sorted(declaration.attributes.items()))).decode(),
        msgspec.json.encode(declaration.reads_from).decode(),
        msgspec.json.encode(declaration.columns, order="sorted").decode(),
    )


def change_of(row: Sequence[Any]) -> ChangeRecord:
    """Return the change in *row*."""
    return ChangeRecord(
        revision=row[0],
        author=row[1],
        origin=Origin(row[2]),
        made_ns=row[3],
        change=Change(key=Key(*row[4:7]), before=row[7], after=row[8]),
        reason=row[9],
    )
