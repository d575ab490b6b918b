from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TDigest(_message.Message):
    __slots__ = ("compression", "count", "min", "max", "means", "weights", "dropped_bits")
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MEANS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_BITS_FIELD_NUMBER: _ClassVar[int]
    compression: float
    count: int
    min: float
    max: float
    means: bytes
    weights: bytes
    dropped_bits: int
    def __init__(self, compression: _Optional[float] = ..., count: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., means: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., dropped_bits: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("moments", "digest", "histogram", "binned", "zero", "negative", "below_reference", "above_reference")
    MOMENTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    BINNED_FIELD_NUMBER: _ClassVar[int]
    ZERO_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    BELOW_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ABOVE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    moments: Moments
    digest: TDigest
    histogram: ExponentialHistogram
    binned: BinnedCounts
    zero: int
    negative: int
    below_reference: int
    above_reference: int
    def __init__(self, moments: _Optional[_Union[Moments, _Mapping]] = ..., digest: _Optional[_Union[TDigest, _Mapping]] = ..., histogram: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., binned: _Optional[_Union[BinnedCounts, _Mapping]] = ..., zero: _Optional[int] = ..., negative: _Optional[int] = ..., below_reference: _Optional[int] = ..., above_reference: _Optional[int] = ...) -> None: ...

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

class DictionaryCounts(_message.Message):
    __slots__ = ("id", "counts", "other", "unseen")
    ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    counts: _containers.RepeatedScalarFieldContainer[int]
    other: int
    unseen: int
    def __init__(self, id: _Optional[str] = ..., counts: _Optional[_Iterable[int]] = ..., other: _Optional[int] = ..., unseen: _Optional[int] = ...) -> None: ...

class Dictionary(_message.Message):
    __slots__ = ("names", "hashes", "complete")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    hashes: _containers.RepeatedScalarFieldContainer[int]
    complete: bool
    def __init__(self, names: _Optional[_Iterable[str]] = ..., hashes: _Optional[_Iterable[int]] = ..., complete: bool = ...) -> None: ...

class Distinct(_message.Message):
    __slots__ = ("precision", "registers", "sparse", "packed")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    REGISTERS_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    precision: int
    registers: bytes
    sparse: _containers.RepeatedScalarFieldContainer[int]
    packed: bytes
    def __init__(self, precision: _Optional[int] = ..., registers: _Optional[bytes] = ..., sparse: _Optional[_Iterable[int]] = ..., packed: _Optional[bytes] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("missing", "nan", "positive_infinity", "negative_infinity", "types", "numeric", "categories", "distinct", "null_like", "expected", "dictionary", "suppressed", "sums", "vectors")
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
    NULL_LIKE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    missing: int
    nan: int
    positive_infinity: int
    negative_infinity: int
    types: _containers.ScalarMap[str, int]
    numeric: Numeric
    categories: Frequent
    distinct: Distinct
    null_like: int
    expected: str
    dictionary: DictionaryCounts
    suppressed: int
    sums: _containers.RepeatedCompositeFieldContainer[BinSums]
    vectors: _containers.RepeatedCompositeFieldContainer[VectorSums]
    def __init__(self, missing: _Optional[int] = ..., nan: _Optional[int] = ..., positive_infinity: _Optional[int] = ..., negative_infinity: _Optional[int] = ..., types: _Optional[_Mapping[str, int]] = ..., numeric: _Optional[_Union[Numeric, _Mapping]] = ..., categories: _Optional[_Union[Frequent, _Mapping]] = ..., distinct: _Optional[_Union[Distinct, _Mapping]] = ..., null_like: _Optional[int] = ..., expected: _Optional[str] = ..., dictionary: _Optional[_Union[DictionaryCounts, _Mapping]] = ..., suppressed: _Optional[int] = ..., sums: _Optional[_Iterable[_Union[BinSums, _Mapping]]] = ..., vectors: _Optional[_Iterable[_Union[VectorSums, _Mapping]]] = ...) -> None: ...

class VectorSums(_message.Message):
    __slots__ = ("basis", "count", "bits", "sums", "products")
    BASIS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    basis: int
    count: int
    bits: int
    sums: _containers.RepeatedScalarFieldContainer[int]
    products: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, basis: _Optional[int] = ..., count: _Optional[int] = ..., bits: _Optional[int] = ..., sums: _Optional[_Iterable[int]] = ..., products: _Optional[_Iterable[int]] = ...) -> None: ...

class BinSums(_message.Message):
    __slots__ = ("value", "bins", "numbers", "categories", "bits", "counts", "sums", "squares", "left_out", "unmatched", "is_public")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    SQUARES_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    value: str
    bins: int
    numbers: int
    categories: int
    bits: int
    counts: _containers.RepeatedScalarFieldContainer[int]
    sums: _containers.RepeatedScalarFieldContainer[int]
    squares: bytes
    left_out: int
    unmatched: int
    is_public: bool
    def __init__(self, value: _Optional[str] = ..., bins: _Optional[int] = ..., numbers: _Optional[int] = ..., categories: _Optional[int] = ..., bits: _Optional[int] = ..., counts: _Optional[_Iterable[int]] = ..., sums: _Optional[_Iterable[int]] = ..., squares: _Optional[bytes] = ..., left_out: _Optional[int] = ..., unmatched: _Optional[int] = ..., is_public: bool = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("thresholds", "classes", "score", "margin", "entropy", "outside", "not_a_number")
    class Class(_message.Message):
        __slots__ = ("predicted", "truth", "bins", "counts", "sums")
        PREDICTED_FIELD_NUMBER: _ClassVar[int]
        TRUTH_FIELD_NUMBER: _ClassVar[int]
        BINS_FIELD_NUMBER: _ClassVar[int]
        COUNTS_FIELD_NUMBER: _ClassVar[int]
        SUMS_FIELD_NUMBER: _ClassVar[int]
        predicted: str
        truth: str
        bins: _containers.RepeatedScalarFieldContainer[int]
        counts: _containers.RepeatedScalarFieldContainer[int]
        sums: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, predicted: _Optional[str] = ..., truth: _Optional[str] = ..., bins: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ..., sums: _Optional[_Iterable[float]] = ...) -> None: ...
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    NOT_A_NUMBER_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.RepeatedScalarFieldContainer[float]
    classes: _containers.RepeatedCompositeFieldContainer[Scores.Class]
    score: Moments
    margin: Moments
    entropy: Moments
    outside: int
    not_a_number: int
    def __init__(self, thresholds: _Optional[_Iterable[float]] = ..., classes: _Optional[_Iterable[_Union[Scores.Class, _Mapping]]] = ..., score: _Optional[_Union[Moments, _Mapping]] = ..., margin: _Optional[_Union[Moments, _Mapping]] = ..., entropy: _Optional[_Union[Moments, _Mapping]] = ..., outside: _Optional[int] = ..., not_a_number: _Optional[int] = ...) -> None: ...

class Service(_message.Message):
    __slots__ = ("outcomes", "statuses", "latency", "latency_sum_seconds", "request_bytes", "request_bytes_sum", "response_bytes", "response_bytes_sum", "in_flight_max", "first_byte", "first_byte_sum_seconds", "chunk_gap", "chunk_gap_sum_seconds", "stream_ends", "chunks", "first_token", "first_token_sum_seconds", "first_reasoning", "first_reasoning_sum_seconds", "per_token", "per_token_sum_seconds", "websockets", "callers")
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
    class StreamEndsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_SUM_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_SUM_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_MAX_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_GAP_FIELD_NUMBER: _ClassVar[int]
    CHUNK_GAP_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STREAM_ENDS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FIRST_REASONING_FIELD_NUMBER: _ClassVar[int]
    FIRST_REASONING_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PER_TOKEN_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WEBSOCKETS_FIELD_NUMBER: _ClassVar[int]
    CALLERS_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.ScalarMap[str, int]
    statuses: _containers.ScalarMap[int, int]
    latency: ExponentialHistogram
    latency_sum_seconds: float
    request_bytes: ExponentialHistogram
    request_bytes_sum: int
    response_bytes: ExponentialHistogram
    response_bytes_sum: int
    in_flight_max: int
    first_byte: ExponentialHistogram
    first_byte_sum_seconds: float
    chunk_gap: ExponentialHistogram
    chunk_gap_sum_seconds: float
    stream_ends: _containers.ScalarMap[str, int]
    chunks: int
    first_token: ExponentialHistogram
    first_token_sum_seconds: float
    first_reasoning: ExponentialHistogram
    first_reasoning_sum_seconds: float
    per_token: ExponentialHistogram
    per_token_sum_seconds: float
    websockets: WebSockets
    callers: Callers
    def __init__(self, outcomes: _Optional[_Mapping[str, int]] = ..., statuses: _Optional[_Mapping[int, int]] = ..., latency: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., latency_sum_seconds: _Optional[float] = ..., request_bytes: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., request_bytes_sum: _Optional[int] = ..., response_bytes: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., response_bytes_sum: _Optional[int] = ..., in_flight_max: _Optional[int] = ..., first_byte: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., first_byte_sum_seconds: _Optional[float] = ..., chunk_gap: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., chunk_gap_sum_seconds: _Optional[float] = ..., stream_ends: _Optional[_Mapping[str, int]] = ..., chunks: _Optional[int] = ..., first_token: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., first_token_sum_seconds: _Optional[float] = ..., first_reasoning: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., first_reasoning_sum_seconds: _Optional[float] = ..., per_token: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., per_token_sum_seconds: _Optional[float] = ..., websockets: _Optional[_Union[WebSockets, _Mapping]] = ..., callers: _Optional[_Union[Callers, _Mapping]] = ...) -> None: ...

class Callers(_message.Message):
    __slots__ = ("named", "others", "traced", "trace_hashes", "trace_starts_unix_micro", "trace_durations_micro")
    class NamedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAMED_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    TRACED_FIELD_NUMBER: _ClassVar[int]
    TRACE_HASHES_FIELD_NUMBER: _ClassVar[int]
    TRACE_STARTS_UNIX_MICRO_FIELD_NUMBER: _ClassVar[int]
    TRACE_DURATIONS_MICRO_FIELD_NUMBER: _ClassVar[int]
    named: _containers.ScalarMap[str, int]
    others: int
    traced: int
    trace_hashes: _containers.RepeatedScalarFieldContainer[int]
    trace_starts_unix_micro: _containers.RepeatedScalarFieldContainer[int]
    trace_durations_micro: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, named: _Optional[_Mapping[str, int]] = ..., others: _Optional[int] = ..., traced: _Optional[int] = ..., trace_hashes: _Optional[_Iterable[int]] = ..., trace_starts_unix_micro: _Optional[_Iterable[int]] = ..., trace_durations_micro: _Optional[_Iterable[int]] = ...) -> None: ...

class WebSockets(_message.Message):
    __slots__ = ("ends", "close_codes", "duration", "duration_sum_seconds", "messages_received", "messages_sent", "bytes_received", "bytes_sent")
    class EndsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class CloseCodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    ENDS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_CODES_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    DURATION_SUM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_SENT_FIELD_NUMBER: _ClassVar[int]
    BYTES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    ends: _containers.ScalarMap[str, int]
    close_codes: _containers.ScalarMap[int, int]
    duration: ExponentialHistogram
    duration_sum_seconds: float
    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int
    def __init__(self, ends: _Optional[_Mapping[str, int]] = ..., close_codes: _Optional[_Mapping[int, int]] = ..., duration: _Optional[_Union[ExponentialHistogram, _Mapping]] = ..., duration_sum_seconds: _Optional[float] = ..., messages_received: _Optional[int] = ..., messages_sent: _Optional[int] = ..., bytes_received: _Optional[int] = ..., bytes_sent: _Optional[int] = ...) -> None: ...

class Amounts(_message.Message):
    __slots__ = ("aggregation", "unit", "count", "end_unix_nano", "created_unix_nano", "values", "weights", "remainders")
    class Remainder(_message.Message):
        __slots__ = ("index", "parts")
        INDEX_FIELD_NUMBER: _ClassVar[int]
        PARTS_FIELD_NUMBER: _ClassVar[int]
        index: int
        parts: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, index: _Optional[int] = ..., parts: _Optional[_Iterable[float]] = ...) -> None: ...
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    REMAINDERS_FIELD_NUMBER: _ClassVar[int]
    aggregation: str
    unit: str
    count: int
    end_unix_nano: int
    created_unix_nano: int
    values: _containers.RepeatedScalarFieldContainer[float]
    weights: _containers.RepeatedScalarFieldContainer[int]
    remainders: _containers.RepeatedCompositeFieldContainer[Amounts.Remainder]
    def __init__(self, aggregation: _Optional[str] = ..., unit: _Optional[str] = ..., count: _Optional[int] = ..., end_unix_nano: _Optional[int] = ..., created_unix_nano: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ..., weights: _Optional[_Iterable[int]] = ..., remainders: _Optional[_Iterable[_Union[Amounts.Remainder, _Mapping]]] = ...) -> None: ...

class Number(_message.Message):
    __slots__ = ("amounts",)
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    amounts: Amounts
    def __init__(self, amounts: _Optional[_Union[Amounts, _Mapping]] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("value", "count", "end_unix_nano", "created_unix_nano")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    END_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    value: str
    count: int
    end_unix_nano: int
    created_unix_nano: int
    def __init__(self, value: _Optional[str] = ..., count: _Optional[int] = ..., end_unix_nano: _Optional[int] = ..., created_unix_nano: _Optional[int] = ...) -> None: ...

class Table(_message.Message):
    __slots__ = ("amounts", "columns", "texts", "keys", "rows")
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    amounts: Amounts
    columns: _containers.RepeatedScalarFieldContainer[str]
    texts: _containers.RepeatedScalarFieldContainer[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    rows: int
    def __init__(self, amounts: _Optional[_Union[Amounts, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., texts: _Optional[_Iterable[int]] = ..., keys: _Optional[_Iterable[str]] = ..., rows: _Optional[int] = ...) -> None: ...

class Matrix(_message.Message):
    __slots__ = ("amounts", "rows", "columns")
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    amounts: Amounts
    rows: int
    columns: int
    def __init__(self, amounts: _Optional[_Union[Amounts, _Mapping]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("amounts", "x")
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    amounts: Amounts
    x: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, amounts: _Optional[_Union[Amounts, _Mapping]] = ..., x: _Optional[_Iterable[float]] = ...) -> None: ...

class ConfusionMatrix(_message.Message):
    __slots__ = ("amounts", "labels", "cells")
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    amounts: Amounts
    labels: _containers.RepeatedScalarFieldContainer[str]
    cells: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, amounts: _Optional[_Union[Amounts, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ..., cells: _Optional[_Iterable[int]] = ...) -> None: ...

class ExactSum(_message.Message):
    __slots__ = ("parts",)
    PARTS_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, parts: _Optional[_Iterable[float]] = ...) -> None: ...

class Mean(_message.Message):
    __slots__ = ("count", "total", "squares")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SQUARES_FIELD_NUMBER: _ClassVar[int]
    count: int
    total: ExactSum
    squares: ExactSum
    def __init__(self, count: _Optional[int] = ..., total: _Optional[_Union[ExactSum, _Mapping]] = ..., squares: _Optional[_Union[ExactSum, _Mapping]] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("thresholds", "classes", "cells", "counts", "correct", "scores", "log_loss", "brier", "unlabelled", "unscored")
    class ClassScores(_message.Message):
        __slots__ = ("index", "cells", "counts", "sums")
        INDEX_FIELD_NUMBER: _ClassVar[int]
        CELLS_FIELD_NUMBER: _ClassVar[int]
        COUNTS_FIELD_NUMBER: _ClassVar[int]
        SUMS_FIELD_NUMBER: _ClassVar[int]
        index: int
        cells: _containers.RepeatedScalarFieldContainer[int]
        counts: _containers.RepeatedScalarFieldContainer[int]
        sums: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, index: _Optional[int] = ..., cells: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ..., sums: _Optional[_Iterable[int]] = ...) -> None: ...
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    BRIER_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_FIELD_NUMBER: _ClassVar[int]
    UNSCORED_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.RepeatedScalarFieldContainer[float]
    classes: _containers.RepeatedScalarFieldContainer[str]
    cells: _containers.RepeatedScalarFieldContainer[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    correct: int
    scores: _containers.RepeatedCompositeFieldContainer[Classification.ClassScores]
    log_loss: Mean
    brier: Mean
    unlabelled: int
    unscored: int
    def __init__(self, thresholds: _Optional[_Iterable[float]] = ..., classes: _Optional[_Iterable[str]] = ..., cells: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ..., correct: _Optional[int] = ..., scores: _Optional[_Iterable[_Union[Classification.ClassScores, _Mapping]]] = ..., log_loss: _Optional[_Union[Mean, _Mapping]] = ..., brier: _Optional[_Union[Mean, _Mapping]] = ..., unlabelled: _Optional[int] = ..., unscored: _Optional[int] = ...) -> None: ...

class Regression(_message.Message):
    __slots__ = ("absolute", "percentage", "sums", "residuals", "unlabelled", "unusable")
    ABSOLUTE_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    RESIDUALS_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_FIELD_NUMBER: _ClassVar[int]
    UNUSABLE_FIELD_NUMBER: _ClassVar[int]
    absolute: Mean
    percentage: Mean
    sums: _containers.RepeatedCompositeFieldContainer[ExactSum]
    residuals: Feature
    unlabelled: int
    unusable: int
    def __init__(self, absolute: _Optional[_Union[Mean, _Mapping]] = ..., percentage: _Optional[_Union[Mean, _Mapping]] = ..., sums: _Optional[_Iterable[_Union[ExactSum, _Mapping]]] = ..., residuals: _Optional[_Union[Feature, _Mapping]] = ..., unlabelled: _Optional[int] = ..., unusable: _Optional[int] = ...) -> None: ...

class Ranking(_message.Message):
    __slots__ = ("cutoffs", "reciprocal_ranks", "without_relevant")
    class Cutoff(_message.Message):
        __slots__ = ("rank", "gain", "hits")
        RANK_FIELD_NUMBER: _ClassVar[int]
        GAIN_FIELD_NUMBER: _ClassVar[int]
        HITS_FIELD_NUMBER: _ClassVar[int]
        rank: int
        gain: Mean
        hits: int
        def __init__(self, rank: _Optional[int] = ..., gain: _Optional[_Union[Mean, _Mapping]] = ..., hits: _Optional[int] = ...) -> None: ...
    CUTOFFS_FIELD_NUMBER: _ClassVar[int]
    RECIPROCAL_RANKS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_RELEVANT_FIELD_NUMBER: _ClassVar[int]
    cutoffs: _containers.RepeatedCompositeFieldContainer[Ranking.Cutoff]
    reciprocal_ranks: Mean
    without_relevant: int
    def __init__(self, cutoffs: _Optional[_Iterable[_Union[Ranking.Cutoff, _Mapping]]] = ..., reciprocal_ranks: _Optional[_Union[Mean, _Mapping]] = ..., without_relevant: _Optional[int] = ...) -> None: ...

class RowMetrics(_message.Message):
    __slots__ = ("rows", "metrics")
    class Metric(_message.Message):
        __slots__ = ("name", "unit", "mean")
        NAME_FIELD_NUMBER: _ClassVar[int]
        UNIT_FIELD_NUMBER: _ClassVar[int]
        MEAN_FIELD_NUMBER: _ClassVar[int]
        name: str
        unit: str
        mean: Mean
        def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., mean: _Optional[_Union[Mean, _Mapping]] = ...) -> None: ...
    ROWS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    metrics: _containers.RepeatedCompositeFieldContainer[RowMetrics.Metric]
    def __init__(self, rows: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[RowMetrics.Metric, _Mapping]]] = ...) -> None: ...

class Extension(_message.Message):
    __slots__ = ("kind", "content")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    content: bytes
    def __init__(self, kind: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("seen", "profiled", "sampled_out", "dropped", "undecodable", "lost_inputs", "lost_outputs", "unnamed", "suppressed", "lost_cells", "unread_times")
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
    SEEN_FIELD_NUMBER: _ClassVar[int]
    PROFILED_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_OUT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    UNDECODABLE_FIELD_NUMBER: _ClassVar[int]
    LOST_INPUTS_FIELD_NUMBER: _ClassVar[int]
    LOST_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    UNNAMED_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    LOST_CELLS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_TIMES_FIELD_NUMBER: _ClassVar[int]
    seen: int
    profiled: int
    sampled_out: int
    dropped: _containers.ScalarMap[str, int]
    undecodable: _containers.ScalarMap[str, int]
    lost_inputs: _containers.ScalarMap[str, int]
    lost_outputs: _containers.ScalarMap[str, int]
    unnamed: _containers.ScalarMap[str, int]
    suppressed: int
    lost_cells: _containers.ScalarMap[str, int]
    unread_times: int
    def __init__(self, seen: _Optional[int] = ..., profiled: _Optional[int] = ..., sampled_out: _Optional[int] = ..., dropped: _Optional[_Mapping[str, int]] = ..., undecodable: _Optional[_Mapping[str, int]] = ..., lost_inputs: _Optional[_Mapping[str, int]] = ..., lost_outputs: _Optional[_Mapping[str, int]] = ..., unnamed: _Optional[_Mapping[str, int]] = ..., suppressed: _Optional[int] = ..., lost_cells: _Optional[_Mapping[str, int]] = ..., unread_times: _Optional[int] = ...) -> None: ...

class SummarySample(_message.Message):
    __slots__ = ("entity", "summary", "labels", "window_start_unix_nano", "window_end_unix_nano", "coverage", "feature", "service", "scores", "extension", "number", "string", "table", "matrix", "line", "confusion_matrix", "classification", "regression", "ranking", "row_metrics", "sample")
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
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STRING_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_MATRIX_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    REGRESSION_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    ROW_METRICS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    entity: str
    summary: str
    labels: _containers.ScalarMap[str, str]
    window_start_unix_nano: int
    window_end_unix_nano: int
    coverage: Coverage
    feature: Feature
    service: Service
    scores: Scores
    extension: Extension
    number: Number
    string: Text
    table: Table
    matrix: Matrix
    line: Line
    confusion_matrix: ConfusionMatrix
    classification: Classification
    regression: Regression
    ranking: Ranking
    row_metrics: RowMetrics
    sample: float
    def __init__(self, entity: _Optional[str] = ..., summary: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., window_start_unix_nano: _Optional[int] = ..., window_end_unix_nano: _Optional[int] = ..., coverage: _Optional[_Union[Coverage, _Mapping]] = ..., feature: _Optional[_Union[Feature, _Mapping]] = ..., service: _Optional[_Union[Service, _Mapping]] = ..., scores: _Optional[_Union[Scores, _Mapping]] = ..., extension: _Optional[_Union[Extension, _Mapping]] = ..., number: _Optional[_Union[Number, _Mapping]] = ..., string: _Optional[_Union[Text, _Mapping]] = ..., table: _Optional[_Union[Table, _Mapping]] = ..., matrix: _Optional[_Union[Matrix, _Mapping]] = ..., line: _Optional[_Union[Line, _Mapping]] = ..., confusion_matrix: _Optional[_Union[ConfusionMatrix, _Mapping]] = ..., classification: _Optional[_Union[Classification, _Mapping]] = ..., regression: _Optional[_Union[Regression, _Mapping]] = ..., ranking: _Optional[_Union[Ranking, _Mapping]] = ..., row_metrics: _Optional[_Union[RowMetrics, _Mapping]] = ..., sample: _Optional[float] = ...) -> None: ...

class SummarySamples(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[SummarySample]
    def __init__(self, samples: _Optional[_Iterable[_Union[SummarySample, _Mapping]]] = ...) -> None: ...
