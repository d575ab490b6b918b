"""The page of a request for approval, which the signed link of a message opens.

A GET only shows it, so that the link preview of a chat decides nothing. The form posts the decision. A
link is valid for one run until the request expires, and decides once. Who holds it has received the
message; whether that is enough to decide is a field of the action. Otherwise the author must be one of
its approvers, by a session of the pages or by the token of a proxy that names the person.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from nilometer.values.times import time_text
from nilometer_collector.access.links import APPROVE_PATH, ApprovalLink
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.alerting.action_runs import Run, may_decide
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import CURES
from nilometer_collector.alerting.decisions import MOST_REASON_CHARACTERS
from nilometer_collector.api.auditing import audited
from nilometer_collector.api.authentication import access_of
from nilometer_collector.api.authors import named_author
from nilometer_collector.api.operation import Context
from nilometer_collector.api.parameters import LAST_ID
from nilometer_collector.api.shield import HEADERS as SHIELDED
from nilometer_collector.errors import Conflict
from nilometer_collector.limits.bounds import has_control
from nilometer_collector.store import RunQuestion, Verdict

MOST_FORM_BYTES = 8192
MOST_FIELDS = 16
BY_LINK = "the link"  # author of a decision whose maker has sent no name
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem}"
    "dt{font-weight:600}dd{margin:0 0 .5rem}textarea{width:100%;box-sizing:border-box}"
    "button{margin:.5rem .5rem 0 0;padding:.4rem 1rem;font:inherit}"
    "@media(prefers-color-scheme:dark){body{background:#16181d;color:#e6e6e6}a{color:#8ab4ff}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# With `no-referrer`, a browser would post the form with `Origin: null`.
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": f"{SHIELDED['content-security-policy']}; img-src data:; "
    f"style-src 'sha256-{_DIGEST}'",
    "referrer-policy": "same-origin",
    "x-robots-tag": "noindex",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>nilometer: {title}</title><style>{style}</style>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>{title}</h1>{content}</main></body></html>
"""
FORM = """<form method="post" action="{action}">
<input type="hidden" name="run" value="{run}"><input type="hidden" name="until" value="{until}">
<input type="hidden" name="signature" value="{signature}">
<label for="reason">Reason</label>
<textarea id="reason" name="reason" rows="2" maxlength="{most}" required></textarea>
<button name="decision" value="approve">Approve</button>
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
        if is_post and request.headers.get("sec-fetch-site") not in {None, "same-origin"}:
            return _plain(403, "This form is not ours", "Open the link in the message again.")
        given = await _form(request) if is_post else dict(request.query_params)
        link = None if given is None else _link(given)
        run = None if link is None else await self._run_of(link)
        if given is None or link is None or run is None:
            return _plain(
                404, "This link is not valid", "Open the newest message about the action."
            )
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
            return _page(200, _title(run), evidence + _facts(run) + _form_of(link, author))
        return await self._judge(
            run,
            given,
            Verdict(
                author=author,
                reason=given.get("reason", "").strip(),
                is_approval=given.get("decision") == "approve",
                by_link=by_link,
            ),
        )

    async def _judge(self, run: Run, given: Mapping[str, str], verdict: Verdict) -> Response:
        is_fine = 0 < len(verdict.reason) <= MOST_REASON_CHARACTERS
        if not is_fine or has_control(verdict.reason):
            return _plain(422, "The reason is missing", "Go back and write one line.")
        if given.get("decision") not in {"approve", "decline"}:
            return _plain(422, "The decision is missing", "Go back and choose one.")
        context = self._context
        try:
            made = await context.ask(
                lambda: context.store.actions.judge(run.id, verdict, context.clock.now_ns())
            )
        except Conflict:  # somebody was faster
            (run,) = await context.ask(lambda: context.store.actions.runs(RunQuestion(run=run.id)))
            return _decided(run)
        except Forbidden as error:
            return _plain(403, "You may not decide this", f"{error}.")
        context.wake()
        word = "Approved" if verdict.is_approval else "Declined"
        return _page(200, f"{word}: {made.action.name}", _facts(made))

    def _evidence(self, run: Run) -> str:
        """Return what has moved as HTML; empty if the episode is not among the newest."""
        for episode in self._context.store.alerts.episodes(run.entity):
            if episode.id == run.episode:
                return f"<p>{escape(episode.evidence)}.</p>"
        return ""

    async def _run_of(self, link: ApprovalLink) -> Run | None:
        """Return the run of *link*; None if there is none, or this collector did not sign it."""
        store = self._context.store

        def read() -> Run | None:
            found = store.actions.runs(RunQuestion(run=link.run))
            if not found or not link.is_signed(store.links_key, found[0].key):
                return None
            return found[0]

        return await self._context.ask(read)


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None if it has too much, or did not arrive."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_FORM_BYTES:
                return None
    except ClientDisconnect:
        return None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}


def _link(given: Mapping[str, str]) -> ApprovalLink | None:
    numbers = [given.get(name, "") for name in ("run", "until")]
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in numbers):
        return None
    run, until_ns = map(int, numbers)
    if run > LAST_ID:
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
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def _form_of(link: ApprovalLink, author: str) -> str:
    form = FORM.format(
        action=APPROVE_PATH.removeprefix("/"),
        run=link.run,
        until=link.until_ns,
        signature=escape(link.signature),
        most=MOST_REASON_CHARACTERS,
    )
    return f"<p>You decide as <strong>{escape(author)}</strong>.</p>{form}"


def _decided(run: Run) -> Response:
    awaits = run.state is RunState.AWAITING_APPROVAL
    title = "The request has expired" if awaits else "This was decided already"
    return _page(410 if awaits else 409, title, _facts(run) + "<p>Nothing has changed now.</p>")


def _needs_name(run: Run, author: str, status: int) -> Response:
    who = f"{escape(author)} is no approver" if author else "You are not logged in"
    names = escape(", ".join(run.action.approvers))
    content = (
        f'<p>{who}. {names} may decide: <a href="login">log in</a>, and open this link again.</p>'
    )
    return _page(status, _title(run), _facts(run) + content)


def _plain(status: int, title: str, text: str) -> Response:
    return _page(status, title, f"<p>{escape(text)}</p>")


def _page(status: int, title: str, content: str) -> Response:
    text = PAGE.format(title=escape(title), style=STYLE, content=content)
    return HTMLResponse(text, status, HEADERS)
