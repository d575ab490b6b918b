"""An exchange without bodies."""

from typing import Any

from nilometer.capture.exchange import Exchange


class SizedExchange(Exchange):
    """An exchange whose bodies are measured and not kept.

    One plain body under the cap is held by reference until the end, because that costs less than
    `More`. Of any other body, nothing is held.
    """

    __slots__ = ()

    def _note_request(self, body: Any) -> None:
        self.cap = 0
        super()._note_request(body)

    def _note_response(self, body: Any, unfinished: Any) -> None:
        self.cap = 0
        super()._note_response(body, unfinished)
