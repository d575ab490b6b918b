"""Actions: what is set off to cure an episode, and when.

An action is declared for a pattern of entities. A new one is in dry run: it records what it would
have done, and does nothing. Its target is a named receiver, which keeps the secrets
(`alerting.targets`), so that a definition has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.alert import Severity
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.access.workspaces import AnyOwnedName
from nilometer_collector.alerting.decisions import MOST_AUTHOR_CHARACTERS
from nilometer_collector.alerting.receivers import ObjectName
from nilometer_collector.alerting.routes import Pattern, Patterns
from nilometer_collector.limits.bounds import NO_CONTROL

KIND = "action"  # name of the kind among declared objects
DAY_SECONDS = 86_400
MOST_SECONDS = 90 * DAY_SECONDS

Cure: TypeAlias = Literal["retrain", "rollback", "fall_back", "ask_human"]
Mode: TypeAlias = Literal["dry_run", "live"]
Seconds: TypeAlias = Annotated[float, Meta(ge=1, le=MOST_SECONDS)]
Wait: TypeAlias = Annotated[float, Meta(ge=0, le=MOST_SECONDS)]
Approver: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MOST_AUTHOR_CHARACTERS, pattern=NO_CONTROL)
]
Parameter: TypeAlias = Annotated[str, Meta(max_length=1024, pattern=NO_CONTROL)]
ParameterName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]

CURES: Mapping[Cure, str] = {
    "retrain": "retrain the model",
    "rollback": "roll back",
    "fall_back": "fall back to another version",
    "ask_human": "ask a human",
}
_ORDER = tuple(Severity)


class ActionDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action as a user writes it.

    Attributes:
        entity: Pattern of the entities whose episodes set it off.
        name: Name of the action, unique for this pattern.
        cure: Kind of cure.
        target: Name of the target that is told to do it; empty only if a human is asked.
        mode: ``dry_run`` records what would have been done; ``live`` does it.
        parameters: Texts that the target gets.
        summaries: Patterns over names of summaries; one that has moved must match one.
        labels: Pattern for each label key that the episode must have.
        severity: Least severity.
        lasts_seconds: Least time since the episode was opened.
        effect: Least certain effect. For the default alerter, the lower bound of a part's distance
            from normal, in its unit; for others, the distance of the worst value beyond the limit.
        performance: Metric of the entity's newest performance, such as ``accuracy_ratio``;
            empty for none.
        performance_below: Value that this metric must be below.
        approvers: Names of principals, or of persons that a trusted proxy names, who may approve it.
            Without any, it needs no approval.
        approve_by_link: Whether everybody who holds the link of the message may approve it.
        approval_seconds: Time after which a request for approval expires.
        most_a_day: Most starts within 24 hours, over all entities.
        cool_down_seconds: Least time between two starts for one entity.
        works_within_seconds: Time within which the episode must close after the target has accepted.
        escalate_to: Name of a channel that is told if it failed, expired, or did not work.
    """

    entity: Pattern
    name: ObjectName
    cure: Cure
    target: AnyOwnedName = ""
    mode: Mode = "dry_run"
    parameters: Annotated[dict[ParameterName, Parameter], Meta(max_length=32)] = {}
    summaries: Patterns = msgspec.field(default_factory=lambda: ["*"])
    labels: Annotated[dict[Pattern, Pattern], Meta(max_length=16)] = {}
    severity: Literal["info", "warning", "critical"] = "warning"
    lasts_seconds: Wait = 0.0
    effect: Annotated[float, Meta(ge=0)] = 0.0
    performance: Annotated[str, Meta(max_length=64, pattern=NO_CONTROL)] = ""
    performance_below: float | None = None
    approvers: Annotated[list[Approver], Meta(max_length=64)] = []
    approve_by_link: bool = False
    approval_seconds: Seconds = float(DAY_SECONDS)
    most_a_day: Annotated[int, Meta(ge=1, le=1000)] = 3
    cool_down_seconds: Wait = float(DAY_SECONDS)
    works_within_seconds: Seconds = float(DAY_SECONDS)
    escalate_to: AnyOwnedName = ""

    @property
    def needs_approval(self) -> bool:
        """Whether a person must approve it before it is sent."""
        return bool(self.approvers) or self.approve_by_link


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSubject:
    """What decides whether an action is for an episode: where the episode is, and what has moved."""

    entity: str
    labels: Labels
    summaries: tuple[str, ...]


def check_action(action: ActionDefinition) -> None:
    """Refuse an action whose fields do not fit together.

    Raises:
        ConfigError: The message names the field and what is allowed.
    """
    if not action.target and action.cure != "ask_human":
        raise ConfigError(f"target = '': must name a target, because the cure is {action.cure}")
    if not action.target and not action.needs_approval:
        raise ConfigError(
            "approvers: must name somebody, because without a target a human is asked"
        )
    if bool(action.performance) != (action.performance_below is not None):
        raise ConfigError("performance: must be set together with performance_below")


def is_for(action: ActionDefinition, subject: ActionSubject) -> bool:
    """Return whether *action* is for the episode of *subject*."""
    labels = subject.labels.as_dict()
    return (
        fnmatchcase(subject.entity, action.entity)
        and any(fnmatchcase(one, each) for one in subject.summaries for each in action.summaries)
        and all(
            key in labels and fnmatchcase(labels[key], wanted)
            for key, wanted in action.labels.items()
        )
    )


def is_below(severity: Severity, least: str) -> bool:
    """Return whether *severity* is lower than *least*."""
    return _ORDER.index(severity) < _ORDER.index(Severity(least))
