"""What the pages of signed links share: their HTML, their headers, and how their forms are read."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from nilometer_collector.alerting.decisions import MOST_REASON_CHARACTERS
from nilometer_collector.api.shield import HEADERS as SHIELDED
from nilometer_collector.limits.bounds import is_plain

MOST_FORM_BYTES = 8192
MOST_FIELDS = 16
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem}"
    "dt{font-weight:600}dd{margin:0 0 .5rem;overflow-wrap:anywhere}label{display:block;margin-top:.5rem}"
    "textarea,input,select{width:100%;box-sizing:border-box;font:inherit}"
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
REASON_FIELD = f"""<label for="reason">Reason</label>
<textarea id="reason" name="reason" rows="2" maxlength="{MOST_REASON_CHARACTERS}" required></textarea>
"""


def page(status: int, title: str, content: str) -> Response:
    """Return a page; *content* is HTML, *title* is text."""
    text = PAGE.format(title=escape(title), style=STYLE, content=content)
    return HTMLResponse(text, status, HEADERS)


def plain(status: int, title: str, text: str) -> Response:
    """Return a page with one sentence of text."""
    return page(status, title, f"<p>{escape(text)}</p>")


def facts_list(facts: Mapping[str, str]) -> str:
    """Return named texts as HTML."""
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def hidden(fields: Mapping[str, str]) -> str:
    """Return *fields* as hidden fields of a form."""
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in fields.items()
    )


def is_from_elsewhere(request: Request) -> bool:
    """Return whether a browser says that another site sent the form."""
    return request.headers.get("sec-fetch-site") not in {None, "same-origin"}


def number_of(text: str) -> int | None:
    """Return the whole number of at most 19 digits in *text*; None if it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def is_reason(text: str) -> bool:
    """Return whether *text* is a reason that a decision may have."""
    return 0 < len(text) <= MOST_REASON_CHARACTERS and is_plain(text)


async def form_of(request: Request) -> dict[str, str] | None:
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
