"""Metrics of the observed servers: requests, WebSockets, generated text.

Names follow OpenTelemetry's semantic conventions where these exist; see
`nilometer.export.telemetry`.
"""

from nilometer.export.keys import (
    CLOSE_CODE,
    DIRECTION,
    END,
    ENTITY,
    ERROR_TYPE,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_PROVIDER,
    GEN_AI_TOKEN_TYPE,
    METHOD,
    RPC_METHOD,
    RPC_SYSTEM,
    STATUS_CODE,
)
from nilometer.export.metric import Instrument, Metric

SECONDS = tuple(range(-12, 15))  # 0.24 ms to 4.6 h: a batch or a long generation takes hours
BYTES = tuple(range(6, 31, 2))  # 64 B to 1 GiB
_REQUEST = (ENTITY, METHOD, STATUS_CODE, ERROR_TYPE)
_GEN_AI = (ENTITY, GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL)

REQUEST_DURATION = Metric(
    name="http.server.request.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time from the first byte of a request to the last byte of its response.",
    attributes=_REQUEST,
    bounds=SECONDS,
)
ACTIVE_REQUESTS = Metric(
    name="http.server.active_requests",
    instrument=Instrument.UP_DOWN_COUNTER,
    unit="{request}",
    about="Largest number of concurrent requests, as counted by requests that ended recently.",
    attributes=(ENTITY,),
)
REQUEST_SIZE = Metric(
    name="http.server.request.body.size",
    instrument=Instrument.HISTOGRAM,
    unit="By",
    about="Bytes of request bodies, as sent over the network.",
    attributes=_REQUEST,
    bounds=BYTES,
)
RESPONSE_SIZE = Metric(
    name="http.server.response.body.size",
    instrument=Instrument.HISTOGRAM,
    unit="By",
    about="Bytes of response bodies, as sent over the network.",
    attributes=_REQUEST,
    bounds=BYTES,
)
CALL_DURATION = Metric(
    name="rpc.server.call.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time from the first byte of a gRPC call to the last byte of its response.",
    attributes=(ENTITY, RPC_SYSTEM, RPC_METHOD, ERROR_TYPE),
    bounds=SECONDS,
)
WEBSOCKET_CONNECTIONS = Metric(
    name="websocket.server.connections",
    instrument=Instrument.COUNTER,
    unit="{connection}",
    about="WebSocket connections that ended, by how they ended.",
    attributes=(ENTITY, END),
)
WEBSOCKET_CLOSES = Metric(
    name="websocket.server.connection.closes",
    instrument=Instrument.COUNTER,
    unit="{connection}",
    about="WebSocket connections that ended, by close code.",
    attributes=(ENTITY, CLOSE_CODE),
)
WEBSOCKET_DURATION = Metric(
    name="websocket.server.connection.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time from the request for a WebSocket to the end of the connection.",
    attributes=(ENTITY,),
    bounds=SECONDS,
)
WEBSOCKET_MESSAGES = Metric(
    name="websocket.server.messages",
    instrument=Instrument.COUNTER,
    unit="{message}",
    about="Messages of WebSocket connections that ended.",
    attributes=(ENTITY, DIRECTION),
)
WEBSOCKET_IO = Metric(
    name="websocket.server.io",
    instrument=Instrument.COUNTER,
    unit="By",
    about="Bytes of the messages of WebSocket connections that ended.",
    attributes=(ENTITY, DIRECTION),
)
GEN_AI_DURATION = Metric(
    name="gen_ai.server.request.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Duration of requests to a generative model.",
    attributes=(*_GEN_AI, ERROR_TYPE),
    bounds=SECONDS,
)
GEN_AI_FIRST_TOKEN = Metric(
    name="gen_ai.server.time_to_first_token",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time to the first frame with content of a streamed answer of a generative model.",
    attributes=_GEN_AI,
    bounds=SECONDS,
)
GEN_AI_PER_TOKEN = Metric(
    name="gen_ai.server.time_per_output_token",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time per token after the first of a streamed answer of a generative model.",
    attributes=_GEN_AI,
    bounds=SECONDS,
)
GEN_AI_FIRST_REASONING = Metric(
    name="nilometer.gen_ai.time_to_first_reasoning_token",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    about="Time to the first frame with reasoning of a streamed answer of a generative model.",
    attributes=_GEN_AI,
    bounds=SECONDS,
)
GEN_AI_TOKENS = Metric(
    name="gen_ai.client.token.usage",
    instrument=Instrument.HISTOGRAM,
    unit="{token}",
    about="Tokens of a request to a generative model, if the protocol reports them.",
    attributes=(*_GEN_AI, GEN_AI_TOKEN_TYPE),
    bounds=tuple(range(0, 27, 2)),
)
