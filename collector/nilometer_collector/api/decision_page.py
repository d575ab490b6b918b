"""The page of a decision about an episode, which a signed link of a message opens.

A GET only shows it, so that the link preview of a chat decides nothing. The form posts the decision. Who
holds the link has received the message, and may decide without a token. The author is the name that the
person writes, with the channel of the message. A link decides once, which the store checks in the
transaction of the decision.
"""

from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.clock import NANOSECONDS
from nilometer.values.plain_text import shortened
from nilometer.values.times import time_text
from nilometer_collector.access.links import DECIDE_PATH, DecisionLink
from nilometer_collector.alerting.decisions import (
    MOST_AUTHOR_CHARACTERS,
    NO_LABELS,
    Decision,
    DecisionKind,
)
from nilometer_collector.api.auditing import Audited, audited
from nilometer_collector.api.authentication import access_of
from nilometer_collector.api.authors import named_author
from nilometer_collector.api.linked_page import (
    REASON_FIELD,
    facts_list,
    form_of,
    hidden,
    is_from_elsewhere,
    is_reason,
    number_of,
    page,
    plain,
)
from nilometer_collector.api.operation import Context
from nilometer_collector.api.parameters import LAST_ID
from nilometer_collector.errors import Conflict, Refused, Unknown
from nilometer_collector.limits.bounds import is_plain
from nilometer_collector.store import EpisodeRecord, PartRecord

MOST_NAME_CHARACTERS = 64  # of what a person writes; the rest of an author is the channel
HOURS: Mapping[str, str] = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "7 days"}

_TITLES = {
    DecisionKind.ACKNOWLEDGED: "Acknowledge",
    DecisionKind.SILENCED: "Silence",
    DecisionKind.NEW_NORMAL: "Accept as the new normal",
}
_DONE = {
    DecisionKind.ACKNOWLEDGED: "Acknowledged",
    DecisionKind.SILENCED: "Silenced",
    DecisionKind.NEW_NORMAL: "Accepted as the new normal",
}
_ABOUT = {
    DecisionKind.ACKNOWLEDGED: "You say that you work on it. The episode stays open.",
    DecisionKind.SILENCED: "No message about the opening is sent until then.",
    DecisionKind.NEW_NORMAL: "The current values are normal from now on, and the alerter learns them.",
}


class DecisionPage:
    """Shows episodes to the holders of signed links, and takes their decisions.

    Args:
        context: Store, clock, channels, and the function that wakes what sends.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, request: Request) -> Response:
        """Respond with the episode and a form, or record the decision of the form."""
        is_post = request.method == "POST"
        if is_post and is_from_elsewhere(request):
            return plain(403, "This form is not ours", "Open the link in the message again.")
        given = await form_of(request) if is_post else dict(request.query_params)
        link = None if given is None else _link(given)
        episode = None if link is None else await self._context.ask(lambda: self._episode(link))
        if given is None or link is None or episode is None:
            return plain(
                404, "This link is not valid", "Open the newest message about the episode."
            )
        about = audited(request)
        about.entity, about.name = link.entity, str(link.episode)
        if answer := _without_form(link, episode, self._context.clock.now_ns()):
            return answer
        access = access_of(request)
        known = "" if access.principal is None else named_author(request, access)
        if not is_post:
            return page(200, _title(link), _facts(episode) + _form(link, episode, known))
        return await self._decide(link, episode, given, known, about)

    async def _decide(
        self,
        link: DecisionLink,
        episode: EpisodeRecord,
        given: Mapping[str, str],
        known: str,
        about: Audited,
    ) -> Response:
        name = known or given.get("name", "").strip()
        if not name or len(name) > max(MOST_NAME_CHARACTERS, len(known)) or not is_plain(name):
            return plain(422, "Your name is missing", "Go back and write your name in one line.")
        reason = given.get("reason", "").strip()
        if not is_reason(reason):
            return plain(422, "The reason is missing", "Go back and write one line.")
        context, now_ns = self._context, self._context.clock.now_ns()
        kind = DecisionKind(link.kind)
        until_ns = _until_ns(given, now_ns) if kind is DecisionKind.SILENCED else None
        if kind is DecisionKind.SILENCED and until_ns is None:
            return plain(422, "The end is missing", "Go back and choose how long.")
        part = _part(given, episode) if kind is DecisionKind.NEW_NORMAL else None
        decision = Decision(
            kind=kind,
            author=_author(name, link.channel),
            reason=reason,
            made_ns=now_ns,
            until_ns=until_ns,
            summary="" if part is None else part.summary,
            labels=NO_LABELS if part is None else part.labels,
            link=link.use,
        )
        about.author = decision.author
        await about.announce()
        try:
            made = await context.ask(
                lambda: context.store.decisions.make(link.entity, link.episode, decision)
            )
        except (Conflict, Refused, Unknown) as error:  # perhaps somebody was faster
            newest = await context.ask(lambda: self._episode(link))
            told = None if newest is None else _without_form(link, newest, now_ns)
            return told or plain(409, "Nothing has changed", f"The reason: {error}.")
        context.wake()
        return page(200, f"{_DONE[kind]}: {link.entity}", _facts(episode) + _decided(made))

    def _episode(self, link: DecisionLink) -> EpisodeRecord | None:
        """Return the episode of *link*; None if it is gone, or this collector did not sign the link.

        The links of a channel are void when the channel is removed.
        """
        store = self._context.store
        if not self._context.receivers.has_links or not link.is_signed(store.links_key):
            return None
        episode = store.alerts.episode(link.entity, link.episode)
        if episode is None or episode.opened_ns != link.opened_ns:
            return None
        is_known = self._context.receivers.read(store, link.channel) is not None
        return episode if is_known else None


def _link(given: Mapping[str, str]) -> DecisionLink | None:
    numbers = [number_of(given.get(name, "")) for name in ("episode", "opened", "until")]
    kind = given.get("kind", "")
    if kind not in {one.value for one in _TITLES}:
        return None
    episode, opened_ns, until_ns = numbers
    if episode is None or opened_ns is None or until_ns is None or episode > LAST_ID:
        return None
    texts = {name: given.get(name, "") for name in ("entity", "channel", "message", "signature")}
    return DecisionLink(kind=kind, episode=episode, opened_ns=opened_ns, until_ns=until_ns, **texts)


def _without_form(link: DecisionLink, episode: EpisodeRecord, now_ns: int) -> Response | None:
    """Return the page that says why the link can decide nothing; None if it can."""
    unchanged = "<p>Nothing has changed now.</p>"
    facts = _facts(episode)
    for one in episode.decisions:
        if one.link == link.use:
            return page(409, "This link was used before", facts + _decided(one) + unchanged)
    if episode.closed_ns is not None:
        return page(409, "This episode is closed", facts + unchanged)
    if now_ns >= link.until_ns:
        return page(410, "This link has expired", facts + unchanged)
    return None


def _title(link: DecisionLink) -> str:
    return f"{_TITLES[DecisionKind(link.kind)]}: {link.entity}"


def _author(name: str, channel: str) -> str:
    return shortened(f"{name} (link in {channel})", MOST_AUTHOR_CHARACTERS)


def _facts(episode: EpisodeRecord) -> str:
    """Return what is known of *episode* as HTML."""
    where = f" [{episode.labels}]" if len(episode.labels) else ""
    facts = {
        "Episode": f"{episode.id}: {episode.alerter.entity} / {episode.summary}{where}",
        "Since": time_text(episode.since_ns),
        "What moved": f"{episode.evidence}.",
    }
    if episode.closed_ns is not None:
        facts["Closed"] = time_text(episode.closed_ns)
    return facts_list(facts)


def _decided(decision: Decision) -> str:
    """Return *decision* as HTML."""
    facts = {"By": decision.author, "Reason": decision.reason, "At": time_text(decision.made_ns)}
    if decision.until_ns is not None:
        facts["Until"] = time_text(decision.until_ns)
    if decision.summary:
        facts["Summary"] = _where(decision.summary, str(decision.labels))
    return facts_list(facts)


def _form(link: DecisionLink, episode: EpisodeRecord, known: str) -> str:
    kind = DecisionKind(link.kind)
    name = (
        f"<p>You decide as <strong>{escape(known)}</strong>.</p>"
        if known
        else '<label for="name">Your name</label><input id="name" name="name" required '
        f'autocomplete="name" maxlength="{MOST_NAME_CHARACTERS}">'
    )
    choice = ""
    if kind is DecisionKind.SILENCED:
        choice = _select("hours", "For", HOURS)
    elif kind is DecisionKind.NEW_NORMAL and (parts := _open_parts(episode)):
        texts = {text: text for text in (_where(one.summary, str(one.labels)) for one in parts)}
        choice = _select("part", "Summary", texts)
    button = f"<button>{_TITLES[kind]}</button>"
    action = DECIDE_PATH.removeprefix("/")
    fields = hidden(link.parameters()) + name + choice + REASON_FIELD
    return f'<p>{_ABOUT[kind]}</p><form method="post" action="{action}">{fields}{button}</form>'


def _select(name: str, label: str, choices: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in choices.items()
    )
    return (
        f'<label for="{name}">{label}</label><select id="{name}" name="{name}">{options}</select>'
    )


def _until_ns(given: Mapping[str, str], now_ns: int) -> int | None:
    """Return the end of a silence; None if the form has no known time."""
    hours = given.get("hours", "")
    return now_ns + int(hours) * 3600 * NANOSECONDS if hours in HOURS else None


def _open_parts(episode: EpisodeRecord) -> list[PartRecord]:
    return [one for one in episode.parts if one.closed_ns is None]


def _part(given: Mapping[str, str], episode: EpisodeRecord) -> PartRecord | None:
    """Return the part that the form names; None without one, so that the store chooses or refuses."""
    named = given.get("part", "")
    return next(
        (one for one in _open_parts(episode) if _where(one.summary, str(one.labels)) == named), None
    )


def _where(summary: str, labels: str) -> str:
    return f"{summary} [{labels}]" if labels else summary
