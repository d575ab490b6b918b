from nilometer.v1 import summary_pb2 as _summary_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Embedding(_message.Message):
    __slots__ = ("dimensions", "mean", "components", "bits")
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    dimensions: int
    mean: bytes
    components: bytes
    bits: int
    def __init__(self, dimensions: _Optional[int] = ..., mean: _Optional[bytes] = ..., components: _Optional[bytes] = ..., bits: _Optional[int] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("entity", "name", "rows", "created_unix_nano", "source", "columns", "digest", "expires_unix_nano")
    class Column(_message.Message):
        __slots__ = ("summary", "feature", "edges", "dictionary", "embedding", "singletons", "surplus")
        SUMMARY_FIELD_NUMBER: _ClassVar[int]
        FEATURE_FIELD_NUMBER: _ClassVar[int]
        EDGES_FIELD_NUMBER: _ClassVar[int]
        DICTIONARY_FIELD_NUMBER: _ClassVar[int]
        EMBEDDING_FIELD_NUMBER: _ClassVar[int]
        SINGLETONS_FIELD_NUMBER: _ClassVar[int]
        SURPLUS_FIELD_NUMBER: _ClassVar[int]
        summary: str
        feature: _summary_pb2.Feature
        edges: _containers.RepeatedScalarFieldContainer[float]
        dictionary: _summary_pb2.Dictionary
        embedding: Embedding
        singletons: int
        surplus: int
        def __init__(self, summary: _Optional[str] = ..., feature: _Optional[_Union[_summary_pb2.Feature, _Mapping]] = ..., edges: _Optional[_Iterable[float]] = ..., dictionary: _Optional[_Union[_summary_pb2.Dictionary, _Mapping]] = ..., embedding: _Optional[_Union[Embedding, _Mapping]] = ..., singletons: _Optional[int] = ..., surplus: _Optional[int] = ...) -> None: ...
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    entity: str
    name: str
    rows: int
    created_unix_nano: int
    source: str
    columns: _containers.RepeatedCompositeFieldContainer[Reference.Column]
    digest: str
    expires_unix_nano: int
    def __init__(self, entity: _Optional[str] = ..., name: _Optional[str] = ..., rows: _Optional[int] = ..., created_unix_nano: _Optional[int] = ..., source: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Reference.Column, _Mapping]]] = ..., digest: _Optional[str] = ..., expires_unix_nano: _Optional[int] = ...) -> None: ...

class Alerter(_message.Message):
    __slots__ = ("entity", "name", "summary", "kind", "statistic", "comparison", "threshold", "low", "high", "reference", "comparator", "minimum_count", "windows_to_open", "windows_to_close", "severity", "condition", "numbers", "texts", "for_seconds", "delay_seconds", "critical", "closing", "times")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Alerter.Kind]
        KIND_FIXED: _ClassVar[Alerter.Kind]
        KIND_RANGE: _ClassVar[Alerter.Kind]
        KIND_REFERENCE: _ClassVar[Alerter.Kind]
    KIND_UNSPECIFIED: Alerter.Kind
    KIND_FIXED: Alerter.Kind
    KIND_RANGE: Alerter.Kind
    KIND_REFERENCE: Alerter.Kind
    class NumbersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class TextsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    COMPARATOR_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_COUNT_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_TO_OPEN_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_TO_CLOSE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    FOR_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    entity: str
    name: str
    summary: str
    kind: Alerter.Kind
    statistic: str
    comparison: str
    threshold: float
    low: float
    high: float
    reference: str
    comparator: str
    minimum_count: int
    windows_to_open: int
    windows_to_close: int
    severity: str
    condition: str
    numbers: _containers.ScalarMap[str, float]
    texts: _containers.ScalarMap[str, str]
    for_seconds: float
    delay_seconds: float
    critical: Limit
    closing: Limit
    times: Times
    def __init__(self, entity: _Optional[str] = ..., name: _Optional[str] = ..., summary: _Optional[str] = ..., kind: _Optional[_Union[Alerter.Kind, str]] = ..., statistic: _Optional[str] = ..., comparison: _Optional[str] = ..., threshold: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., reference: _Optional[str] = ..., comparator: _Optional[str] = ..., minimum_count: _Optional[int] = ..., windows_to_open: _Optional[int] = ..., windows_to_close: _Optional[int] = ..., severity: _Optional[str] = ..., condition: _Optional[str] = ..., numbers: _Optional[_Mapping[str, float]] = ..., texts: _Optional[_Mapping[str, str]] = ..., for_seconds: _Optional[float] = ..., delay_seconds: _Optional[float] = ..., critical: _Optional[_Union[Limit, _Mapping]] = ..., closing: _Optional[_Union[Limit, _Mapping]] = ..., times: _Optional[_Union[Times, _Mapping]] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("threshold", "low", "high")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    low: float
    high: float
    def __init__(self, threshold: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class Times(_message.Message):
    __slots__ = ("time_zone", "hours", "maintenance")
    class Hours(_message.Message):
        __slots__ = ("days", "start_minute", "end_minute")
        DAYS_FIELD_NUMBER: _ClassVar[int]
        START_MINUTE_FIELD_NUMBER: _ClassVar[int]
        END_MINUTE_FIELD_NUMBER: _ClassVar[int]
        days: _containers.RepeatedScalarFieldContainer[str]
        start_minute: int
        end_minute: int
        def __init__(self, days: _Optional[_Iterable[str]] = ..., start_minute: _Optional[int] = ..., end_minute: _Optional[int] = ...) -> None: ...
    class Maintenance(_message.Message):
        __slots__ = ("start_unix_nano", "end_unix_nano", "repeat")
        START_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
        END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
        REPEAT_FIELD_NUMBER: _ClassVar[int]
        start_unix_nano: int
        end_unix_nano: int
        repeat: str
        def __init__(self, start_unix_nano: _Optional[int] = ..., end_unix_nano: _Optional[int] = ..., repeat: _Optional[str] = ...) -> None: ...
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    MAINTENANCE_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    hours: _containers.RepeatedCompositeFieldContainer[Times.Hours]
    maintenance: _containers.RepeatedCompositeFieldContainer[Times.Maintenance]
    def __init__(self, time_zone: _Optional[str] = ..., hours: _Optional[_Iterable[_Union[Times.Hours, _Mapping]]] = ..., maintenance: _Optional[_Iterable[_Union[Times.Maintenance, _Mapping]]] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("alerter", "summary", "labels", "window_start_unix_nano", "window_end_unix_nano", "verdict", "value", "count", "reference_digest", "evidence", "reason", "edge", "other_way")
    class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VERDICT_UNSPECIFIED: _ClassVar[Evaluation.Verdict]
        VERDICT_FINE: _ClassVar[Evaluation.Verdict]
        VERDICT_BREACH: _ClassVar[Evaluation.Verdict]
        VERDICT_NOT_JUDGED: _ClassVar[Evaluation.Verdict]
    VERDICT_UNSPECIFIED: Evaluation.Verdict
    VERDICT_FINE: Evaluation.Verdict
    VERDICT_BREACH: Evaluation.Verdict
    VERDICT_NOT_JUDGED: Evaluation.Verdict
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
    WINDOW_START_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EDGE_FIELD_NUMBER: _ClassVar[int]
    OTHER_WAY_FIELD_NUMBER: _ClassVar[int]
    alerter: Alerter
    summary: str
    labels: _containers.ScalarMap[str, str]
    window_start_unix_nano: int
    window_end_unix_nano: int
    verdict: Evaluation.Verdict
    value: float
    count: int
    reference_digest: str
    evidence: str
    reason: str
    edge: bool
    other_way: bool
    def __init__(self, alerter: _Optional[_Union[Alerter, _Mapping]] = ..., summary: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., window_start_unix_nano: _Optional[int] = ..., window_end_unix_nano: _Optional[int] = ..., verdict: _Optional[_Union[Evaluation.Verdict, str]] = ..., value: _Optional[float] = ..., count: _Optional[int] = ..., reference_digest: _Optional[str] = ..., evidence: _Optional[str] = ..., reason: _Optional[str] = ..., edge: bool = ..., other_way: bool = ...) -> None: ...
