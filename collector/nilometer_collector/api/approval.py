"""The page of a request for approval, which the signed link of a message opens.

A GET only shows it, so that the link preview of a chat decides nothing. The form posts the decision. A
link is valid for one run until the request expires, and decides once. Who holds it has received the
message; whether that is enough to decide is a field of the action. Otherwise the author must be one of
its approvers, by a session of the pages or by the token of a proxy that names the person.
"""

from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.times import time_text
from nilometer_collector.access.links import APPROVE_PATH, ApprovalLink
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.alerting.action_runs import Run, may_decide
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import CURES
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
from nilometer_collector.errors import Conflict
from nilometer_collector.store import RunQuestion, Verdict

BY_LINK = "the link"  # author of a decision whose maker has sent no name
FORM = """<form method="post" action="{action}">
{hidden}{reason}<button name="decision" value="approve">Approve</button>
<button name="decision" value="decline">Decline</button></form>
"""


class Approval:
    """Shows requests for approval and takes decisions.

    Args:
        context: Store, clock, and the function that wakes what sends.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, request: Request) -> Response:
        """Respond with the request for approval, or record the decision of its form."""
        is_post = request.method == "POST"
        if is_post and is_from_elsewhere(request):
            return plain(403, "This form is not ours", "Open the link in the message again.")
        given = await form_of(request) if is_post else dict(request.query_params)
        link = None if given is None else _link(given)
        run = None if link is None else await self._run_of(link)
        if given is None or link is None or run is None:
            return plain(404, "This link is not valid", "Open the newest message about the action.")
        about = audited(request)
        about.entity, about.name = run.entity, run.action.name
        access = access_of(request)
        now_ns = self._context.clock.now_ns()
        if run.state is not RunState.AWAITING_APPROVAL or now_ns >= link.until_ns:
            return _decided(run)
        author, by_link = named_author(request, access), False
        if not author or not may_decide(run.action, author):
            if not run.action.approve_by_link:
                return _needs_name(run, author, 403 if is_post else 200)
            author, by_link = author or BY_LINK, True
        if not is_post:
            evidence = await self._context.ask(lambda: self._evidence(run))
            return page(200, _title(run), evidence + _facts(run) + _form_of(link, author))
        return await self._judge(
            run,
            given,
            about,
            Verdict(
                author=author,
                reason=given.get("reason", "").strip(),
                is_approval=given.get("decision") == "approve",
                by_link=by_link,
            ),
        )

    async def _judge(
        self, run: Run, given: Mapping[str, str], about: Audited, verdict: Verdict
    ) -> Response:
        if not is_reason(verdict.reason):
            return plain(422, "The reason is missing", "Go back and write one line.")
        if given.get("decision") not in {"approve", "decline"}:
            return plain(422, "The decision is missing", "Go back and choose one.")
        about.author = verdict.author
        await about.announce()
        context = self._context
        try:
            made = await context.ask(
                lambda: context.store.actions.judge(run.id, verdict, context.clock.now_ns())
            )
        except Conflict:  # somebody was faster
            (run,) = await context.ask(lambda: context.store.actions.runs(RunQuestion(run=run.id)))
            return _decided(run)
        except Forbidden as error:
            return plain(403, "You may not decide this", f"{error}.")
        context.wake()
        word = "Approved" if verdict.is_approval else "Declined"
        return page(200, f"{word}: {made.action.name}", _facts(made))

    def _evidence(self, run: Run) -> str:
        """Return what has moved as HTML; empty if the episode is gone."""
        episode = self._context.store.alerts.episode(run.entity, run.episode)
        return "" if episode is None else f"<p>{escape(episode.evidence)}.</p>"

    async def _run_of(self, link: ApprovalLink) -> Run | None:
        """Return the run of *link*; None if there is none, or this collector did not sign it."""
        store = self._context.store

        def read() -> Run | None:
            found = store.actions.runs(RunQuestion(run=link.run))
            if not found or not link.is_signed(store.links_key, found[0].key):
                return None
            return found[0]

        return await self._context.ask(read)


def _link(given: Mapping[str, str]) -> ApprovalLink | None:
    run, until_ns = (number_of(given.get(name, "")) for name in ("run", "until"))
    if run is None or until_ns is None or run > LAST_ID:
        return None
    return ApprovalLink(run=run, until_ns=until_ns, signature=given.get("signature", ""))


def _title(run: Run) -> str:
    said = CURES[run.action.cure]
    return f"{said[0].upper()}{said[1:]}: {run.entity}"


def _facts(run: Run) -> str:
    """Return what is known of *run* as HTML."""
    last = run.turns[-1]
    facts = {
        "Action": f"{run.action.name}: {CURES[run.action.cure]}",
        "Entity": run.entity,
        "Episode": str(run.episode),
        "Target": run.action.target or "a human",
        "State": f"{run.state.value.replace('_', ' ')} since {time_text(last.at_ns)}: {last.reason}",
    }
    if last.author:
        facts["By"] = last.author
    if run.state is RunState.AWAITING_APPROVAL:
        facts["Expires"] = time_text(run.expires_ns)
    return facts_list(facts)


def _form_of(link: ApprovalLink, author: str) -> str:
    fields = {"run": str(link.run), "until": str(link.until_ns), "signature": link.signature}
    form = FORM.format(
        action=APPROVE_PATH.removeprefix("/"), hidden=hidden(fields), reason=REASON_FIELD
    )
    return f"<p>You decide as <strong>{escape(author)}</strong>.</p>{form}"


def _decided(run: Run) -> Response:
    awaits = run.state is RunState.AWAITING_APPROVAL
    title = "The request has expired" if awaits else "This was decided already"
    return page(410 if awaits else 409, title, _facts(run) + "<p>Nothing has changed now.</p>")


def _needs_name(run: Run, author: str, status: int) -> Response:
    who = f"{escape(author)} is no approver" if author else "You are not logged in"
    names = escape(", ".join(run.action.approvers))
    content = (
        f'<p>{who}. {names} may decide: <a href="login">log in</a>, and open this link again.</p>'
    )
    return page(status, _title(run), _facts(run) + content)
