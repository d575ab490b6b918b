"""Finds the author of a change: the principal of the request, or a person named by a proxy."""

from starlette.requests import Request

from nilometer_collector.access.rights import Access
from nilometer_collector.alerting.decisions import MOST_AUTHOR_CHARACTERS
from nilometer_collector.api.operation import Call
from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import is_plain


def author_of(call: Call) -> str:
    """Return the name of the author of a change.

    Raises:
        ApiError: 422 if the header of a trusted proxy is not a valid name.
    """
    return named_author(call.request, call.access)


def named_author(request: Request, access: Access) -> str:
    """Return the name of the author of a change; empty for the holder of a link without a token.

    A header is read only from a principal whose `author_header` names it. Otherwise anybody could
    send it.

    Raises:
        ApiError: 422 if the header of a trusted proxy is not a valid name.
    """
    principal = access.principal
    header = "" if principal is None else principal.author_header
    if not header:
        return access.caller
    sent = request.headers.getlist(header)
    name = sent[0].strip() if len(sent) == 1 else ""
    if not 0 < len(name) <= MOST_AUTHOR_CHARACTERS or not is_plain(name):
        raise ApiError(
            422,
            f"the header {header} must be sent once, with a name of 1 to {MOST_AUTHOR_CHARACTERS} "
            "characters",
        )
    return name
