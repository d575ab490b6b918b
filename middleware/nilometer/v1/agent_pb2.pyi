from nilometer.v1 import summary_pb2 as _summary_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CaptureBatch(_message.Message):
    __slots__ = ("worker", "sequence", "entity", "observations", "dropped", "dropped_unix_nano", "partials", "labels", "count", "event_time_field", "cost", "event_time_unit", "event_time_zone", "include")
    class DroppedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_UNIT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    worker: bytes
    sequence: int
    entity: str
    observations: bytes
    dropped: _containers.ScalarMap[str, int]
    dropped_unix_nano: int
    partials: _containers.RepeatedCompositeFieldContainer[_summary_pb2.SummarySample]
    labels: _containers.ScalarMap[str, str]
    count: int
    event_time_field: str
    cost: CaptureCost
    event_time_unit: str
    event_time_zone: str
    include: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, worker: _Optional[bytes] = ..., sequence: _Optional[int] = ..., entity: _Optional[str] = ..., observations: _Optional[bytes] = ..., dropped: _Optional[_Mapping[str, int]] = ..., dropped_unix_nano: _Optional[int] = ..., partials: _Optional[_Iterable[_Union[_summary_pb2.SummarySample, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., count: _Optional[int] = ..., event_time_field: _Optional[str] = ..., cost: _Optional[_Union[CaptureCost, _Mapping]] = ..., event_time_unit: _Optional[str] = ..., event_time_zone: _Optional[str] = ..., include: _Optional[_Iterable[str]] = ...) -> None: ...

class CaptureCost(_message.Message):
    __slots__ = ("cpu_seconds", "requests", "exceeded_seconds", "p99_seconds", "share")
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    EXCEEDED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    P99_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    cpu_seconds: float
    requests: int
    exceeded_seconds: float
    p99_seconds: float
    share: float
    def __init__(self, cpu_seconds: _Optional[float] = ..., requests: _Optional[int] = ..., exceeded_seconds: _Optional[float] = ..., p99_seconds: _Optional[float] = ..., share: _Optional[float] = ...) -> None: ...

class CaptureAcknowledgement(_message.Message):
    __slots__ = ("sequence", "refusal")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    refusal: CaptureRefusal
    def __init__(self, sequence: _Optional[int] = ..., refusal: _Optional[_Union[CaptureRefusal, _Mapping]] = ...) -> None: ...

class CaptureRefusal(_message.Message):
    __slots__ = ("sequence", "reason")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    reason: str
    def __init__(self, sequence: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("entities",)
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    entities: bool
    def __init__(self, entities: bool = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("version", "agent", "epoch", "counters", "workers", "data_directory", "collector", "collector_state", "collector_reason", "gauges", "duplicate", "uptime_seconds", "dropped", "undecodable", "lost_inputs", "lost_outputs", "unnamed", "lost_cells", "entities", "instance")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class GaugesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DroppedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class UndecodableEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LostInputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LostOutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class UnnamedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LostCellsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    DATA_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    COLLECTOR_FIELD_NUMBER: _ClassVar[int]
    COLLECTOR_STATE_FIELD_NUMBER: _ClassVar[int]
    COLLECTOR_REASON_FIELD_NUMBER: _ClassVar[int]
    GAUGES_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    UNDECODABLE_FIELD_NUMBER: _ClassVar[int]
    LOST_INPUTS_FIELD_NUMBER: _ClassVar[int]
    LOST_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    UNNAMED_FIELD_NUMBER: _ClassVar[int]
    LOST_CELLS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    version: str
    agent: str
    epoch: bytes
    counters: _containers.ScalarMap[str, int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    data_directory: str
    collector: str
    collector_state: str
    collector_reason: str
    gauges: _containers.ScalarMap[str, int]
    duplicate: bool
    uptime_seconds: float
    dropped: _containers.ScalarMap[str, int]
    undecodable: _containers.ScalarMap[str, int]
    lost_inputs: _containers.ScalarMap[str, int]
    lost_outputs: _containers.ScalarMap[str, int]
    unnamed: _containers.ScalarMap[str, int]
    lost_cells: _containers.ScalarMap[str, int]
    entities: _containers.RepeatedCompositeFieldContainer[EntityStatus]
    instance: bytes
    def __init__(self, version: _Optional[str] = ..., agent: _Optional[str] = ..., epoch: _Optional[bytes] = ..., counters: _Optional[_Mapping[str, int]] = ..., workers: _Optional[_Iterable[str]] = ..., data_directory: _Optional[str] = ..., collector: _Optional[str] = ..., collector_state: _Optional[str] = ..., collector_reason: _Optional[str] = ..., gauges: _Optional[_Mapping[str, int]] = ..., duplicate: bool = ..., uptime_seconds: _Optional[float] = ..., dropped: _Optional[_Mapping[str, int]] = ..., undecodable: _Optional[_Mapping[str, int]] = ..., lost_inputs: _Optional[_Mapping[str, int]] = ..., lost_outputs: _Optional[_Mapping[str, int]] = ..., unnamed: _Optional[_Mapping[str, int]] = ..., lost_cells: _Optional[_Mapping[str, int]] = ..., entities: _Optional[_Iterable[_Union[EntityStatus, _Mapping]]] = ..., instance: _Optional[bytes] = ...) -> None: ...

class EntityStatus(_message.Message):
    __slots__ = ("entity", "outcomes", "latency", "coverage", "cost", "judged", "breaches", "worst")
    class OutcomesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    BREACHES_FIELD_NUMBER: _ClassVar[int]
    WORST_FIELD_NUMBER: _ClassVar[int]
    entity: str
    outcomes: _containers.ScalarMap[str, int]
    latency: _summary_pb2.ExponentialHistogram
    coverage: _summary_pb2.Coverage
    cost: CaptureCost
    judged: int
    breaches: int
    worst: _containers.RepeatedCompositeFieldContainer[Judgement]
    def __init__(self, entity: _Optional[str] = ..., outcomes: _Optional[_Mapping[str, int]] = ..., latency: _Optional[_Union[_summary_pb2.ExponentialHistogram, _Mapping]] = ..., coverage: _Optional[_Union[_summary_pb2.Coverage, _Mapping]] = ..., cost: _Optional[_Union[CaptureCost, _Mapping]] = ..., judged: _Optional[int] = ..., breaches: _Optional[int] = ..., worst: _Optional[_Iterable[_Union[Judgement, _Mapping]]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("alerter", "summary", "labels", "measure", "value", "threshold", "breach", "distance", "window_end_unix_nano")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ALERTER_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    BREACH_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    alerter: str
    summary: str
    labels: _containers.ScalarMap[str, str]
    measure: str
    value: float
    threshold: float
    breach: bool
    distance: bool
    window_end_unix_nano: int
    def __init__(self, alerter: _Optional[str] = ..., summary: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., measure: _Optional[str] = ..., value: _Optional[float] = ..., threshold: _Optional[float] = ..., breach: bool = ..., distance: bool = ..., window_end_unix_nano: _Optional[int] = ...) -> None: ...

class FlushRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FlushReply(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: int
    def __init__(self, samples: _Optional[int] = ...) -> None: ...
