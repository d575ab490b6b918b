"""Keys of the attributes of exported series."""

ENTITY = "nilometer.entity"
SUMMARY = "nilometer.summary"
LABEL_PREFIX = "nilometer.label."  # start of the key for each label of a sample
QUANTILE = "nilometer.quantile"
OUTCOME = "nilometer.outcome"
FATE = "nilometer.fate"
REASON = "nilometer.reason"
SIDE = "nilometer.side"  # inputs or outputs
ALERTER = "nilometer.alerter"
MEASURE = "nilometer.measure"
STATUS = "nilometer.status"
PREDICTED = "nilometer.predicted"  # predicted class of a score
SOURCE = "nilometer.source"  # entity at the start of a pipeline edge
THREAD = "nilometer.thread"  # background thread of a collector
LEVEL = "nilometer.level"  # samples as shipped, or the length of roll-ups
METHOD = "http.request.method"
STATUS_CODE = "http.response.status_code"
ERROR_TYPE = "error.type"
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
END = "websocket.connection.end"
CLOSE_CODE = "websocket.close.code"
DIRECTION = "network.io.direction"  # values: receive, transmit
GEN_AI_OPERATION = "gen_ai.operation.name"
GEN_AI_PROVIDER = "gen_ai.provider.name"
GEN_AI_MODEL = "gen_ai.request.model"
GEN_AI_TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  a name, not a secret

OVERFLOW = "otel.metric.overflow"  # true for the series of measurements over the limit
