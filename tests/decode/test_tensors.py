"""V2 tensors in their binary forms, against protobuf's own encoder and numpy's."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import assume, given
from hypothesis import strategies as st

from nilometer.decode import Facts, Protocol, Side, decode_exchange
from nilometer.decode.learned import EXAMPLES, Shapes
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd
from nilometer.values.steps import finished

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
NUMPY = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_TYPES = descriptor_pb2.FieldDescriptorProto


@cache
def messages(form: str = "packed") -> dict[str, Any]:
    """The protocol's messages, made by protobuf in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package="inference")
    file.syntax = "proto3"

    def message(name: str, *fields: tuple[str, int, Any, bool]) -> None:
        made = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            if isinstance(kind, str):
                made.field.add(
                    name=field,
                    number=number,
                    type=_TYPES.TYPE_MESSAGE,
                    label=label,
                    type_name=f".inference.{kind}",
                )
            else:
                added = made.field.add(name=field, number=number, type=kind, label=label)
                if repeated and kind not in {_TYPES.TYPE_BYTES, _TYPES.TYPE_STRING}:
                    added.options.packed = form == "packed"

    message(
        "Contents",
        ("bool_contents", 1, _TYPES.TYPE_BOOL, True),
        ("int_contents", 2, _TYPES.TYPE_INT32, True),
        ("int64_contents", 3, _TYPES.TYPE_INT64, True),
        ("uint_contents", 4, _TYPES.TYPE_UINT32, True),
        ("uint64_contents", 5, _TYPES.TYPE_UINT64, True),
        ("fp32_contents", 6, _TYPES.TYPE_FLOAT, True),
        ("fp64_contents", 7, _TYPES.TYPE_DOUBLE, True),
        ("bytes_contents", 8, _TYPES.TYPE_BYTES, True),
    )
    message(
        "Tensor",
        ("name", 1, _TYPES.TYPE_STRING, False),
        ("datatype", 2, _TYPES.TYPE_STRING, False),
        ("shape", 3, _TYPES.TYPE_INT64, True),
        ("contents", 5, "Contents", False),
    )
    common = (
        ("model_name", 1, _TYPES.TYPE_STRING, False),
        ("model_version", 2, _TYPES.TYPE_STRING, False),
        ("id", 3, _TYPES.TYPE_STRING, False),
        ("tensors", 5, "Tensor", True),
    )
    message("Request", *common, ("raw", 7, _TYPES.TYPE_BYTES, True))
    message("Response", *common, ("raw", 6, _TYPES.TYPE_BYTES, True))
    message(
        "StreamResponse",
        ("error_message", 1, _TYPES.TYPE_STRING, False),
        ("infer_response", 2, "Response", False),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("Contents", "Tensor", "Request", "Response", "StreamResponse")
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))
        for name in names
    }


def decoded(
    body: bytes,
    role: Role = Role.INPUT,
    content_type: str = "application/grpc",
    path: str = INFER,
    **more: str,
) -> tuple[Facts, dict[str, Any]]:
    side = Side()
    facts = decode_exchange(body, content_type, "", role, side, path=path, **more)  # type: ignore[arg-type]
    columns = side.columns(set())
    assert {len(cells) for cells in columns.values()} <= {side.rows}
    return facts, {
        name: cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
        for name, cells in columns.items()
    }


def numbers(datatype: str) -> st.SearchStrategy[Any]:
    kind = np.dtype(NUMPY[datatype])
    if datatype == "BOOL":
        return st.booleans()
    if kind.kind == "f":
        return {
            2: st.floats(width=16, allow_nan=False),
            4: st.floats(width=32, allow_nan=False),
            8: st.floats(width=64, allow_nan=False),
        }[kind.itemsize]
    limits = np.iinfo(kind)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def matrices(draw: st.DrawFn) -> tuple[str, Any]:
    datatype = draw(st.sampled_from(sorted(NUMPY)))
    rows, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    cells = draw(st.lists(numbers(datatype), min_size=rows * width, max_size=rows * width))
    return datatype, np.array(cells, NUMPY[datatype]).reshape(rows, width)


def expected(name: str, matrix: Any) -> dict[str, Any]:
    if matrix.shape[1] == 1:
        return {name: matrix[:, 0].tolist()}
    return {f"{name}.{at}": matrix[:, at].tolist() for at in range(matrix.shape[1])}


@given(matrices(), st.sampled_from([Role.INPUT, Role.OUTPUT]))
def test_raw_grpc_tensors_are_what_numpy_wrote(tensor: tuple[str, Any], role: Role) -> None:
    datatype, matrix = tensor
    message = messages()["Request" if role is Role.INPUT else "Response"](
        model_name="m", model_version="3", id="p-1", raw=[matrix.tobytes()]
    )
    message.tensors.add(name="x", datatype=datatype, shape=matrix.shape)
    facts, columns = decoded(message.SerializeToString(), role)
    assert columns == expected("x", matrix)
    assert (facts.prediction_id, facts.model, facts.model_version) == ("p-1", "m", "3")


@given(matrices(), st.sampled_from(["packed", "apart"]))
def test_typed_grpc_tensors_are_what_protobuf_wrote(tensor: tuple[str, Any], form: str) -> None:
    datatype, matrix = tensor
    assume(datatype != "FP16")  # has no typed form
    message = messages(form)["Request"]()
    made = message.tensors.add(name="x", datatype=datatype, shape=matrix.shape)
    getattr(made.contents, CONTENTS[datatype]).extend(matrix.ravel().tolist())
    _, columns = decoded(message.SerializeToString())
    assert columns == expected("x", matrix)


def test_names_of_tensors_are_as_the_client_gave_them() -> None:
    data = np.array([[1.5, 2.5]], "<f4")
    message = messages()["Request"](raw=[data.tobytes()])
    message.tensors.add(name="17", datatype="FP32", shape=data.shape)
    tensor = {"name": "17", "datatype": "FP32", "shape": [1, 2]}
    raw = {**tensor, "parameters": {"binary_data_size": data.nbytes}}
    plain = json.dumps({"inputs": [{**tensor, "data": [1.5, 2.5]}]}).encode()
    for body, content_type in (
        (message.SerializeToString(), "application/grpc"),
        (json.dumps({"inputs": [raw]}).encode() + data.tobytes(), "application/octet-stream"),
        (plain, "application/json"),
    ):
        side = Side()
        decode_exchange(body, content_type, "", Role.INPUT, side, path=INFER)
        (group,) = finished(side.groups_in_steps())
        assert (group.names, group.is_vetted) == (("17.0", "17.1"), False)
    block = Shapes("inputs").read([plain] * EXAMPLES)
    assert block is not None
    assert not block.is_vetted


@given(matrices(), st.sampled_from(["told", "lost", "wrong", "short"]), st.text(max_size=5))
def test_binary_tensors_are_found_with_and_without_the_length_of_the_json(
    tensor: tuple[str, Any], header: str, name: str
) -> None:
    datatype, matrix = tensor
    raw = matrix.tobytes()
    head = json.dumps(
        {
            "id": "ü}{",
            "inputs": [
                {
                    "name": "x",
                    "shape": matrix.shape,
                    "datatype": datatype,
                    "parameters": {"binary_data_size": len(raw)},
                },
                {
                    "name": f"y{name}",
                    "shape": [len(matrix)],
                    "datatype": "BYTES",
                    "data": ['\\"'] * len(matrix),
                },
            ],
        },
        ensure_ascii=False,
    ).encode("utf-8", "replace")
    told = {"told": str(len(head)), "lost": "", "wrong": "9" * 9, "short": "7"}[header]
    for content_type in ("", "application/octet-stream", "application/json"):
        facts, columns = decoded(head + raw, content_type=content_type, path="", header_length=told)
        assert facts.protocol is Protocol.OIP_V2_BINARY
        assert facts.prediction_id == "ü}{"
        columns.pop(next(iter(key for key in columns if key.startswith("y"))))
        assert columns == expected("x", matrix)


def test_brain_floats_are_the_upper_halves_of_floats() -> None:
    exact = np.array([1.0, -2.5, 0.0, np.inf], "<f4")
    message = messages()["Request"](raw=[(exact.view("<u4") >> 16).astype("<u2").tobytes()])
    message.tensors.add(name="x", datatype="BF16", shape=[4])
    assert decoded(message.SerializeToString())[1] == {"x": exact.tolist()}


def test_elements_of_bytes_are_text_where_they_are_utf8() -> None:
    elements = ["ü".encode(), b"", b"\xff\x00"]
    expected = {
        "x": ["ü", "", None],
        "x.bytes": [None, None, 2],
        "x.type": [None, None, "application/octet-stream"],
    }
    raw = b"".join(len(one).to_bytes(4, "little") + one for one in elements)
    message = messages()["Request"](raw=[raw])
    message.tensors.add(name="x", datatype="BYTES", shape=[3])
    assert decoded(message.SerializeToString())[1] == expected
    message = messages()["Request"]()
    made = message.tensors.add(name="x", datatype="BYTES", shape=[3])
    made.contents.bytes_contents.extend(elements)
    assert decoded(message.SerializeToString())[1] == expected


def test_wide_and_deep_tensors_are_one_vector_column() -> None:
    wide, deep = np.arange(2 * 129, dtype="<f4"), np.arange(2 * 12, dtype="<f4")
    message = messages()["Request"](raw=[wide.tobytes(), deep.tobytes()])
    message.tensors.add(name="wide", datatype="FP32", shape=[2, 129])
    message.tensors.add(name="deep", datatype="FP32", shape=[2, 2, 3, 2])
    side = Side()
    decode_exchange(message.SerializeToString(), "application/grpc", "", Role.INPUT, side)
    columns = side.columns(set())
    assert isinstance(columns["wide"], np.ndarray)
    assert isinstance(columns["deep"], np.ndarray)
    assert columns["wide"].shape == (2, 129)
    assert columns["deep"].shape == (2, 2, 3, 2)
    assert columns["deep"].ravel().tolist() == deep.tolist()


def test_framed_messages_are_rows_one_after_the_other_and_an_error_ends_the_stream() -> None:
    parts = []
    for at in range(3):
        message = messages()["StreamResponse"]()
        message.infer_response.id = "s"
        message.infer_response.tensors.add(name="x", datatype="INT32", shape=[1])
        message.infer_response.raw.append(at.to_bytes(4, "little"))
        parts.append(message.SerializeToString())
    kind = "application/grpc+frames"
    facts, columns = decoded(_framed(parts), Role.OUTPUT, kind, STREAM)
    assert (columns, facts.stream_end) == ({"x": [0, 1, 2]}, None)
    parts.append(messages()["StreamResponse"](error_message="no").SerializeToString())
    facts, columns = decoded(_framed(parts), Role.OUTPUT, kind, STREAM)
    assert (columns, facts.stream_end) == ({"x": [0, 1, 2]}, StreamEnd.ERROR)


def test_messages_at_both_ends_of_a_stream_are_rows_and_partial() -> None:
    parts = []
    for at in range(4):
        message = messages()["StreamResponse"]()
        message.infer_response.tensors.add(name="x", datatype="INT32", shape=[1])
        message.infer_response.raw.append(at.to_bytes(4, "little"))
        parts.append(message.SerializeToString())
    side = Side()
    facts = decode_exchange(
        None,
        "application/grpc+frames",
        "",
        Role.OUTPUT,
        side,
        path=STREAM,
        ends=(_framed(parts[:1]), _framed(parts[2:])),
    )
    assert facts.partial
    assert np.asarray(side.column("x")).ravel().tolist() == [0, 2, 3]


def _framed(parts: list[bytes]) -> bytes:
    return b"".join(b"\0" + len(part).to_bytes(4, "big") + part for part in parts)


RAW_GRPC = messages()["Request"](raw=[b"\0" * 8])
RAW_GRPC.tensors.add(name="x", datatype="FP32", shape=[2])
TYPED_GRPC = messages()["Request"]()
TYPED_GRPC.tensors.add(name="x", datatype="INT64", shape=[3]).contents.int64_contents.extend(
    [1, 300, -1]
)


@pytest.mark.parametrize(
    ("shape", "datatype", "size", "raw", "reason"),
    [
        ([2], "FP32", 8, 7, "malformed"),  # the bytes end before the tensor
        ([2], "FP32", 8, 8, None),
        ([2], "FP32", 7, 7, "wrong_shape"),
        ([3], "FP32", 8, 8, "wrong_shape"),
        ([1 << 62, 1 << 62], "FP32", 8, 8, "wrong_shape"),
        ([1 << 40, 0], "FP32", 0, 0, "wrong_shape"),  # rows without cells
        ([-1], "FP32", 8, 8, "wrong_shape"),
        (["2"], "FP32", 8, 8, "wrong_shape"),
        ([2], "FP31", 8, 8, "malformed"),
        ([2], "BYTES", 8, 8, None),  # two empty elements
        ([1], "BYTES", 8, 8, "wrong_shape"),
        ([2], "FP32", -8, 8, "malformed"),
        ([2], "FP32", "8", 8, "malformed"),
        ([2], "FP32", 1 << 70, 8, "malformed"),
    ],
)
def test_tensors_that_lie_about_their_bytes_have_a_reason(
    shape: Any, datatype: str, size: Any, raw: int, reason: str | None
) -> None:
    tensor = {
        "name": "x",
        "shape": shape,
        "datatype": datatype,
        "parameters": {"binary_data_size": size},
    }
    body = json.dumps({"inputs": [tensor]}).encode() + b"\0" * raw
    if reason is None:
        decoded(body, content_type="application/octet-stream", path="")
        return
    with pytest.raises(Undecodable) as refused:
        decoded(body, content_type="application/octet-stream", path="")
    assert refused.value.reason == reason


@pytest.mark.parametrize("whole", [RAW_GRPC, TYPED_GRPC])
def test_a_message_cut_anywhere_is_undecodable_or_still_a_table(whole: Any) -> None:
    body = whole.SerializeToString()
    read = 0
    for end in range(len(body)):
        try:
            decoded(body[:end])
        except Undecodable as error:
            assert error.reason in {"empty", "malformed", "wrong_shape"}
            read += 1
    assert read > len(body) // 2


@given(
    st.binary(max_size=300),
    st.sampled_from([INFER, STREAM, ""]),
    st.sampled_from(["application/grpc", "application/grpc+frames"]),
)
def test_no_bytes_break_the_reader_of_messages(body: bytes, path: str, kind: str) -> None:
    for role in (Role.INPUT, Role.OUTPUT):
        try:
            decoded(body, role, kind, path)
        except Undecodable as error:
            assert error.reason in {"empty", "malformed", "wrong_shape", "too_large"}


@given(st.integers(0, len(RAW_GRPC.SerializeToString()) - 1), st.integers(0, 255))
def test_no_changed_byte_breaks_the_reader_of_messages(at: int, octet: int) -> None:
    for whole in (RAW_GRPC, TYPED_GRPC):
        body = bytearray(whole.SerializeToString())
        body[at % len(body)] = octet
        try:
            decoded(bytes(body))
        except Undecodable as error:
            assert error.reason in {"malformed", "wrong_shape"}


def test_more_fields_than_are_read_are_too_large() -> None:
    with pytest.raises(Undecodable) as refused:
        decoded(b"\x08\x00" * (1 << 17))
    assert refused.value.reason == "too_large"


def test_other_services_and_methods_are_no_inference() -> None:
    for path, reason in (
        ("/inference.GRPCInferenceService/ServerReady", "not_inference"),
        ("/grpc.health.v1.Health/Check", "not_inference"),
        ("/my.Service/Predict", "unknown_content_type"),
    ):
        with pytest.raises(Undecodable) as refused:
            decoded(b"\x08\x01", path=path)
        assert refused.value.reason == reason
