"""Finds the prediction id, which joins a prediction with its ground truth."""

from collections.abc import Mapping

from nilometer.decode.facts import MAX_ID, Facts

HEADERS = ("ce-id", "x-request-id")  # headers with a prediction id, in order of precedence
_TRACE_PARENT = "traceparent"
_TRACE_DIGITS = 32  # length of a W3C trace id


def prediction_id(
    request: Facts | None,
    response: Facts | None,
    request_headers: Mapping[str, str],
    response_headers: Mapping[str, str],
) -> str:
    """Return the prediction id from the bodies, else the headers, else the trace; may be empty.

    The request takes precedence over the response, because the client always knows its own id.

    Args:
        request: Facts of the request body; None if it was not decoded.
        response: Facts of the response body; None if it was not decoded.
        request_headers: Request headers by lower-case name.
        response_headers: Response headers by lower-case name.
    """
    for facts in (request, response):
        if facts is not None and facts.prediction_id:
            return facts.prediction_id
    for headers in (request_headers, response_headers):
        for name in HEADERS:
            if headers.get(name):
                return headers[name][:MAX_ID]
    parts = request_headers.get(_TRACE_PARENT, "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == _TRACE_DIGITS else ""
