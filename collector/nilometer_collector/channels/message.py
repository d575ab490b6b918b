"""What a notification says, before a channel gives it its form.

A message tells one change of an entity, several changes of one entity, or, in a storm, the changes of
many entities. Its texts are plain: each channel escapes them for its own receiver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import quote, urlencode

from nilometer.alert import AlertStatus, Severity
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import stored_summary
from nilometer.values.plain_text import printable, shortened
from nilometer_collector.channels.choices import MAX_LINK_CHARACTERS, MOST_DECIDED, Choice
from nilometer_collector.channels.rows import Row, row_of_episode, row_of_part
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.store import EpisodeRecord, Notice
from nilometer_collector.store.composing import FLAPPING_OPENINGS

OWN_SUMMARIES = "nilometer."  # start of the summaries of episodes about the monitoring itself
MOST_ROWS = 10  # rows of a message's table; further ones are counted
REMEDY = (
    "Open the page to see the distributions. Acknowledge the episode if you work on it, silence it if "
    "it can wait, or accept a new normal if the change is meant."
)

_ORDER = tuple(Severity)


class Stage(Enum):
    """What happened to the episodes of a message."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    ACTION = "action"  # an action for the episode has changed its state
    MIXED = "mixed"  # a digest with openings and closings


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One episode in a message.

    Attributes:
        notice: Last notification about it in the message.
        stage: What happened to it.
        rows: Things that moved, earliest first.
        evidence: One sentence.
        link: URL of its page.
        choices: Signed links with which readers decide about it.
    """

    notice: Notice
    stage: Stage
    rows: Sequence[Row]
    evidence: str
    link: str
    choices: Sequence[Choice] = ()

    @property
    def episode(self) -> EpisodeRecord:
        """The episode."""
        return self.notice.episode

    @property
    def name(self) -> str:
        """Name of the episode among others of its entity."""
        return f"{self.episode.summary}{_labels(self.episode)}, {self.episode.alerter.name}"

    @property
    def severity(self) -> Severity:
        """Severity of the alerter at that time."""
        return self.notice.transition.alerter.severity

    @property
    def since_ns(self) -> int:
        """Estimated start: the onset, not the time of detection."""
        return min((row.since_ns for row in self.rows), default=self.episode.since_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to one channel.

    Attributes:
        key: Idempotency key.
        told: Its episodes, in order.
        headline: One line: severity, entity, segment, stage and summary.
        health: The service's requests, failures and latency; empty if unknown.
        cause: Likely cause; empty if unknown.
        remedy: What can be done; empty after a closing.
        note: That the episode is flapping, or that a silence has ended; empty otherwise.
        link: URL of the page, or of the form that approves an action.
        link_text: What the link does.
    """

    key: str
    told: Sequence[Told]
    stage: Stage
    severity: Severity
    headline: str
    health: str = ""
    cause: str = ""
    remedy: str = ""
    note: str = ""
    link: str
    link_text: str = "Open the page"

    @property
    def rows(self) -> list[Row]:
        """All things that moved, earliest first."""
        return sorted((row for one in self.told for row in one.rows), key=lambda row: row.since_ns)

    @property
    def is_digest(self) -> bool:
        """Whether it tells about several entities."""
        return len({one.episode.alerter.entity for one in self.told}) > 1

    @property
    def sole_choices(self) -> Sequence[Choice]:
        """The signed links of its only episode; none if it tells several."""
        return self.told[0].choices if len(self.told) == 1 else ()

    @property
    def choices(self) -> list[Choice]:
        """The signed links of all its episodes; those of several episodes name them."""
        return [*self.sole_choices] or [
            replace(choice, text=f"{choice.text}: {one.name}")
            for one in self.told
            for choice in one.choices
        ]

    def decided(self, most_characters: int) -> list[tuple[str, Sequence[Choice]]]:
        """Return the name and the links of each of several episodes that has links.

        There are none if two open episodes have the same name after the cut. A reader could accept the
        wrong one as normal.

        Args:
            most_characters: Most characters of a name.
        """
        names = {
            one.episode.id: shortened(printable(one.name), most_characters)
            for one in self.told
            if one.stage is not Stage.CLOSED
        }
        if len(self.told) == 1 or len(set(names.values())) < len(names):
            return []
        return [(names[one.episode.id], one.choices) for one in self.told if one.choices]

    @property
    def since_ns(self) -> int:
        """Earliest start."""
        return min(one.since_ns for one in self.told)

    def lines(self) -> list[str]:
        """Return the message as plain lines, for receivers without tables."""
        lines = [self.headline]
        lines += [self._sentence(one) for one in self.told[:MOST_ROWS]]
        if len(self.told) > MOST_ROWS:
            lines.append(f"{len(self.told) - MOST_ROWS} more episodes are on the page.")
        lines += [line for line in (self.note, self.cause, self.health, self.remedy) if line]
        return [*lines, self.link]

    def _sentence(self, told: Told) -> str:
        entity = f"{told.episode.alerter.entity}: " if self.is_digest else ""
        return f"{entity}{told.evidence}."


def message_of(notice: Notice, surroundings: Surroundings) -> Message:
    """Return the message of *notice* and the others that it tells.

    Args:
        notice: Notification, with the others of its message.
        surroundings: Source of the page's URL, the service's health and likely causes.
    """
    newest = {one.episode.id: one for one in (notice, *notice.others)}
    entities = list(dict.fromkeys(one.episode.alerter.entity for one in newest.values()))
    is_digest = len(entities) > 1
    told = [
        told_of(one, surroundings, has_trends=not is_digest and at < MOST_ROWS)
        for at, one in enumerate(newest.values())
    ]
    stages = {one.stage for one in told}
    stage = stages.pop() if len(stages) == 1 else Stage.MIXED
    severity = max((one.severity for one in told), key=_ORDER.index)
    if is_digest:
        return Message(
            key=notice.key,
            told=told,
            stage=stage,
            severity=severity,
            headline=_digest_headline(told, entities, severity),
            link=surroundings.page_url + "/",
        )
    told = _with_choices(told, surroundings)
    lead = told[0]
    is_over = stage is Stage.CLOSED
    return Message(
        key=notice.key,
        told=told,
        stage=stage,
        severity=severity,
        headline=_headline(told, stage, severity),
        health=surroundings.health(entities[0], lead.notice.transition.at_ns),
        cause="" if is_over else surroundings.cause([one.episode for one in told]),
        remedy="" if is_over else REMEDY,
        note=_note(lead.notice),
        link=lead.link,
    )


def _with_choices(told: Sequence[Told], surroundings: Surroundings) -> list[Told]:
    """Return *told*, the first of which have signed links of decisions."""
    found = []
    room = MOST_DECIDED
    for one in told:
        choices = surroundings.choices(one.notice) if room else ()
        room -= bool(choices)
        found.append(replace(one, choices=choices))
    return found


def page_of(page_url: str, episode: EpisodeRecord, at_ns: int) -> str:
    """Return the URL of the page that shows the summary with its labels, at a time.

    An episode about the monitoring itself has the page of its entity, and so has one whose labels make
    a longer URL than receivers take.

    Args:
        page_url: URL of the pages, without a final slash.
        episode: Episode whose summary and labels the page shows.
        at_ns: End of the window to show, Unix nanoseconds.
    """
    entity = quote(episode.alerter.entity, safe="")
    page = f"{page_url}/#/entity/{entity}"
    if episode.summary.startswith(OWN_SUMMARIES):
        return page
    options = [("label", f"{key}:{value}") for key, value in episode.labels]
    options.append(("time", f"{at_ns / NANOSECONDS:.0f}"))
    summary = quote(stored_summary(episode.summary), safe="")
    link = f"{page}/summary/{summary}?{urlencode(options)}"
    return link if len(link) <= MAX_LINK_CHARACTERS else page


def told_of(notice: Notice, surroundings: Surroundings, *, has_trends: bool) -> Told:
    """Return what a message tells of the episode of *notice*, with trends if *has_trends*."""
    episode, transition = notice.episode, notice.transition
    if notice.is_acknowledgement:
        stage = Stage.ACKNOWLEDGED
    elif transition.status == AlertStatus.ALERTING.value:
        stage = Stage.OPENED
    else:
        stage = Stage.CLOSED
    parts = sorted(episode.parts, key=lambda part: part.onset_ns)
    rows = [row_of_part(part) for part in parts] or [row_of_episode(notice)]
    if has_trends:
        moved = [(part.labels, part.component) for part in parts] or [(episode.labels, "")]
        trends = [
            surroundings.trend(
                episode.alerter.entity, row.summary, labels, component, transition.at_ns
            )
            for row, (labels, component) in zip(rows[:MOST_ROWS], moved, strict=False)
        ]
        rows[:MOST_ROWS] = map(_with_trend, rows, trends)
    return Told(
        notice=notice,
        stage=stage,
        rows=rows,
        evidence=transition.evidence,
        link=page_of(surroundings.page_url, episode, transition.at_ns),
    )


def _with_trend(row: Row, trend: str) -> Row:
    return replace(row, trend=trend)


def _headline(told: Sequence[Told], stage: Stage, severity: Severity) -> str:
    episode = told[0].episode
    word = {
        Stage.OPENED: severity.value.upper(),
        Stage.MIXED: severity.value.upper(),
        Stage.ACKNOWLEDGED: "ACKNOWLEDGED",
        Stage.CLOSED: "CLEARED",
    }[stage]
    summaries = list(dict.fromkeys(row.summary for one in told for row in one.rows))
    others = len(summaries) - 1
    more = f" and {others} more" if others else ""
    return f"{word}: {episode.alerter.entity} / {episode.summary}{_labels(episode)}{more}"


def _labels(episode: EpisodeRecord) -> str:
    return f" [{episode.labels}]" if len(episode.labels) else ""


def _digest_headline(told: Sequence[Told], entities: Sequence[str], severity: Severity) -> str:
    opened = sum(one.stage is Stage.OPENED for one in told)
    closed = sum(one.stage is Stage.CLOSED for one in told)
    word = severity.value.upper() if opened else "CLEARED"
    counts = [f"{opened} opened"] * bool(opened) + [f"{closed} cleared"] * bool(closed)
    return f"{word}: episodes of {len(entities)} entities: {', '.join(counts) or 'acknowledged'}"


def _note(notice: Notice) -> str:
    opening = notice.transition.status == AlertStatus.ALERTING.value
    if not opening or notice.is_acknowledgement:
        return ""
    if notice.openings >= FLAPPING_OPENINGS:
        return (
            f"This is flapping: it has opened {notice.openings} times within an hour. The next "
            "openings are told when they have lasted for an hour."
        )
    if notice.after_silence:
        return "The silence has ended, and the episode is still open."
    return ""
