"""The series of WebSocket connections."""

from nilometer.export.keys import CLOSE_CODE, DIRECTION, END
from nilometer.export.series import Attributes, Distribution, Series
from nilometer.export.server_metrics import (
    WEBSOCKET_CLOSES,
    WEBSOCKET_CONNECTIONS,
    WEBSOCKET_DURATION,
    WEBSOCKET_IO,
    WEBSOCKET_MESSAGES,
)
from nilometer.profile import WebSockets
from nilometer_agent.measure.attributes import with_more


def add_connections(series: Series, at: Attributes, sockets: WebSockets) -> None:
    """Add connections that ended to *series*; *at* says where they were measured."""
    for end, count in sockets.ends.items():
        series.add(WEBSOCKET_CONNECTIONS, with_more(at, {END: end}), count)
    for code, count in sockets.close_codes.items():
        series.add(WEBSOCKET_CLOSES, with_more(at, {CLOSE_CODE: code}), count)
    series.merge(WEBSOCKET_DURATION, at, Distribution(sockets.duration, sockets.duration_sum))
    for metric, received, sent in (
        (WEBSOCKET_MESSAGES, sockets.messages_received, sockets.messages_sent),
        (WEBSOCKET_IO, sockets.bytes_received, sockets.bytes_sent),
    ):
        for direction, amount in (("receive", received), ("transmit", sent)):
            series.add(metric, with_more(at, {DIRECTION: direction}), amount)
