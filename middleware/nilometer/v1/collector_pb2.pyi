from nilometer.v1 import alert_pb2 as _alert_pb2
from nilometer.v1 import summary_pb2 as _summary_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Row(_message.Message):
    __slots__ = ("sequence", "sample", "evaluation", "predictions")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    sample: _summary_pb2.SummarySample
    evaluation: _alert_pb2.Evaluation
    predictions: PredictionBatch
    def __init__(self, sequence: _Optional[int] = ..., sample: _Optional[_Union[_summary_pb2.SummarySample, _Mapping]] = ..., evaluation: _Optional[_Union[_alert_pb2.Evaluation, _Mapping]] = ..., predictions: _Optional[_Union[PredictionBatch, _Mapping]] = ...) -> None: ...

class PredictionBatch(_message.Message):
    __slots__ = ("monitored_entity", "content", "ground_truth")
    MONITORED_ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    GROUND_TRUTH_FIELD_NUMBER: _ClassVar[int]
    monitored_entity: str
    content: bytes
    ground_truth: bytes
    def __init__(self, monitored_entity: _Optional[str] = ..., content: _Optional[bytes] = ..., ground_truth: _Optional[bytes] = ...) -> None: ...

class ShipRequest(_message.Message):
    __slots__ = ("agent", "epoch", "oldest_held", "rows", "instance", "now_unix_nano")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OLDEST_HELD_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    NOW_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    agent: str
    epoch: bytes
    oldest_held: int
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    instance: bytes
    now_unix_nano: int
    def __init__(self, agent: _Optional[str] = ..., epoch: _Optional[bytes] = ..., oldest_held: _Optional[int] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., instance: _Optional[bytes] = ..., now_unix_nano: _Optional[int] = ...) -> None: ...

class ShipReply(_message.Message):
    __slots__ = ("rejected", "duplicate", "refused_predictions")
    class Rejected(_message.Message):
        __slots__ = ("sequence", "reason", "forbidden")
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        FORBIDDEN_FIELD_NUMBER: _ClassVar[int]
        sequence: int
        reason: str
        forbidden: bool
        def __init__(self, sequence: _Optional[int] = ..., reason: _Optional[str] = ..., forbidden: bool = ...) -> None: ...
    class RefusedPredictions(_message.Message):
        __slots__ = ("sequence", "rows", "reason")
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        ROWS_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        sequence: int
        rows: int
        reason: str
        def __init__(self, sequence: _Optional[int] = ..., rows: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    rejected: _containers.RepeatedCompositeFieldContainer[ShipReply.Rejected]
    duplicate: bool
    refused_predictions: _containers.RepeatedCompositeFieldContainer[ShipReply.RefusedPredictions]
    def __init__(self, rejected: _Optional[_Iterable[_Union[ShipReply.Rejected, _Mapping]]] = ..., duplicate: bool = ..., refused_predictions: _Optional[_Iterable[_Union[ShipReply.RefusedPredictions, _Mapping]]] = ...) -> None: ...

class GetPlanRequest(_message.Message):
    __slots__ = ("entities", "version", "agent", "instance", "wants_baselines")
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    WANTS_BASELINES_FIELD_NUMBER: _ClassVar[int]
    entities: _containers.RepeatedScalarFieldContainer[str]
    version: str
    agent: str
    instance: bytes
    wants_baselines: bool
    def __init__(self, entities: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., agent: _Optional[str] = ..., instance: _Optional[bytes] = ..., wants_baselines: bool = ...) -> None: ...

class Baselines(_message.Message):
    __slots__ = ("monitored_entity", "format", "content")
    MONITORED_ENTITY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    monitored_entity: str
    format: int
    content: bytes
    def __init__(self, monitored_entity: _Optional[str] = ..., format: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("version", "unchanged", "references", "alerters", "names_key", "now_unix_nano", "privacy", "suppress_below", "forbidden_entities", "judges", "prediction_sums", "baselines")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    ALERTERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_KEY_FIELD_NUMBER: _ClassVar[int]
    NOW_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_BELOW_FIELD_NUMBER: _ClassVar[int]
    FORBIDDEN_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    JUDGES_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SUMS_FIELD_NUMBER: _ClassVar[int]
    BASELINES_FIELD_NUMBER: _ClassVar[int]
    version: str
    unchanged: bool
    references: _containers.RepeatedCompositeFieldContainer[_alert_pb2.Reference]
    alerters: _containers.RepeatedCompositeFieldContainer[_alert_pb2.Alerter]
    names_key: bytes
    now_unix_nano: int
    privacy: str
    suppress_below: int
    forbidden_entities: _containers.RepeatedScalarFieldContainer[str]
    judges: bool
    prediction_sums: bool
    baselines: _containers.RepeatedCompositeFieldContainer[Baselines]
    def __init__(self, version: _Optional[str] = ..., unchanged: bool = ..., references: _Optional[_Iterable[_Union[_alert_pb2.Reference, _Mapping]]] = ..., alerters: _Optional[_Iterable[_Union[_alert_pb2.Alerter, _Mapping]]] = ..., names_key: _Optional[bytes] = ..., now_unix_nano: _Optional[int] = ..., privacy: _Optional[str] = ..., suppress_below: _Optional[int] = ..., forbidden_entities: _Optional[_Iterable[str]] = ..., judges: bool = ..., prediction_sums: bool = ..., baselines: _Optional[_Iterable[_Union[Baselines, _Mapping]]] = ...) -> None: ...

class PutReferenceReply(_message.Message):
    __slots__ = ("digest", "expires_unix_nano")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    digest: str
    expires_unix_nano: int
    def __init__(self, digest: _Optional[str] = ..., expires_unix_nano: _Optional[int] = ...) -> None: ...
