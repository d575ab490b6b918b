from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TDigest(_message.Message):
    __slots__ = ("compression", "count", "min", "max", "means", "weights")
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MEANS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    compression: float
    count: int
    min: float
    max: float
    means: bytes
    weights: bytes
    def __init__(self, compression: _Optional[float] = ..., count: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., means: _Optional[bytes] = ..., weights: _Optional[bytes] = ...) -> None: ...

class ExponentialHistogram(_message.Message):
    __slots__ = ("scale", "zero_count", "positive", "negative")
    class Buckets(_message.Message):
        __slots__ = ("offset", "counts")
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        COUNTS_FIELD_NUMBER: _ClassVar[int]
        offset: int
        counts: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, offset: _Optional[int] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ZERO_COUNT_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    scale: int
    zero_count: int
    positive: ExponentialHistogram.Buckets
    negative: ExponentialHistogram.Buckets
    def __init__(self, scale: _Optional[int] = ..., zero_count: _Optional[int] = ..., positive: _Optional[_Union[ExponentialHistogram.Buckets, _Mapping]] = ..., negative: _Optional[_Union[ExponentialHistogram.Buckets, _Mapping]] = ...) -> None: ...

class Moments(_message.Message):
    __slots__ = ("count", "mean", "m2", "m3", "m4")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    M2_FIELD_NUMBER: _ClassVar[int]
    M3_FIELD_NUMBER: _ClassVar[int]
    M4_FIELD_NUMBER: _ClassVar[int]
    count: int
    mean: float
    m2: float
    m3: float
    m4: float
    def __init__(self, count: _Optional[int] = ..., mean: _Optional[float] = ..., m2: _Optional[float] = ..., m3: _Optional[float] = ..., m4: _Optional[float] = ...) -> None: ...

class BinnedCounts(_message.Message):
    __slots__ = ("edges_id", "counts")
    EDGES_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    edges_id: str
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, edges_id: _Optional[str] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class Numeric(_message.Message):
    __slots__ = ("moments", "digest", "histogram", "binned")
    MOMENTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    BINNED_FIELD_NUMBER: _ClassVar[int]
    moments: Moments
    digest: TDigest
    histogram: ExponentialHistogram
    binned: BinnedCounts
    def __init__(self, moments: _Optional[_Union[Moments, _Mapping]] = ..., digest: _Optional[_Union[TDigest, _Mapping]] = ..., histogram: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., binned: _Optional[_Union[BinnedCounts, _Mapping]] = ...) -> None: ...

class Frequent(_message.Message):
    __slots__ = ("capacity", "total", "values", "counts", "errors")
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    capacity: int
    total: int
    values: _containers.RepeatedScalarFieldContainer[str]
    counts: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, capacity: _Optional[int] = ..., total: _Optional[int] = ..., values: _Optional[_Iterable[str]] = ..., counts: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[int]] = ...) -> None: ...

class Distinct(_message.Message):
    __slots__ = ("precision", "registers", "sparse")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    REGISTERS_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    precision: int
    registers: bytes
    sparse: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, precision: _Optional[int] = ..., registers: _Optional[bytes] = ..., sparse: _Optional[_Iterable[int]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("missing", "nan", "positive_infinity", "negative_infinity", "types", "numeric", "categories", "distinct")
    class TypesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MISSING_FIELD_NUMBER: _ClassVar[int]
    NAN_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_INFINITY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_INFINITY_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    NUMERIC_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    missing: int
    nan: int
    positive_infinity: int
    negative_infinity: int
    types: _containers.ScalarMap[str, int]
    numeric: Numeric
    categories: Frequent
    distinct: Distinct
    def __init__(self, missing: _Optional[int] = ..., nan: _Optional[int] = ..., positive_infinity: _Optional[int] = ..., negative_infinity: _Optional[int] = ..., types: _Optional[_Mapping[str, int]] = ..., numeric: _Optional[_Union[Numeric, _Mapping]] = ..., categories: _Optional[_Union[Frequent, _Mapping]] = ..., distinct: _Optional[_Union[Distinct, _Mapping]] = ...) -> None: ...

class Service(_message.Message):
    __slots__ = ("outcomes", "statuses", "latency", "latency_sum_seconds", "request_bytes", "request_bytes_sum", "response_bytes", "response_bytes_sum")
    class OutcomesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class StatusesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_SUM_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_SUM_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.ScalarMap[str, int]
    statuses: _containers.ScalarMap[int, int]
    latency: ExponentialHistogram
    latency_sum_seconds: float
    request_bytes: ExponentialHistogram
    request_bytes_sum: int
    response_bytes: ExponentialHistogram
    response_bytes_sum: int
    def __init__(self, outcomes: _Optional[_Mapping[str, int]] = ..., statuses: _Optional[_Mapping[int, int]] = ..., latency: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., latency_sum_seconds: _Optional[float] = ..., request_bytes: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., request_bytes_sum: _Optional[int] = ..., response_bytes: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., response_bytes_sum: _Optional[int] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("seen", "profiled", "sampled_out", "dropped", "undecodable")
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
    SEEN_FIELD_NUMBER: _ClassVar[int]
    PROFILED_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_OUT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    UNDECODABLE_FIELD_NUMBER: _ClassVar[int]
    seen: int
    profiled: int
    sampled_out: int
    dropped: _containers.ScalarMap[str, int]
    undecodable: _containers.ScalarMap[str, int]
    def __init__(self, seen: _Optional[int] = ..., profiled: _Optional[int] = ..., sampled_out: _Optional[int] = ..., dropped: _Optional[_Mapping[str, int]] = ..., undecodable: _Optional[_Mapping[str, int]] = ...) -> None: ...

class SummarySample(_message.Message):
    __slots__ = ("entity", "summary", "labels", "window_start_unix_nano", "window_end_unix_nano", "coverage", "feature", "service")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    entity: str
    summary: str
    labels: _containers.ScalarMap[str, str]
    window_start_unix_nano: int
    window_end_unix_nano: int
    coverage: Coverage
    feature: Feature
    service: Service
    def __init__(self, entity: _Optional[str] = ..., summary: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., window_start_unix_nano: _Optional[int] = ..., window_end_unix_nano: _Optional[int] = ..., coverage: _Optional[_Union[Coverage, _Mapping]] = ..., feature: _Optional[_Union[Feature, _Mapping]] = ..., service: _Optional[_Union[Service, _Mapping]] = ...) -> None: ...

class SummarySamples(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[SummarySample]
    def __init__(self, samples: _Optional[_Iterable[_Union[SummarySample, _Mapping]]] = ...) -> None: ...
