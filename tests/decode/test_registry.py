"""Protocols are registered in one tuple, and a protocol of another package is decoded like them."""

import importlib
import pkgutil
import struct
from collections.abc import Mapping

import pytest

import nilometer.decode
from nilometer.decode import Facts, Protocol, Side, decode_exchange, registry
from nilometer.decode.learned import EXAMPLES, Shapes
from nilometer.decode.protocol import Body, Format, JsonProtocol
from nilometer.decode.registry import PROTOCOLS, AnyProtocol, Table
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

JSON = "application/json"
TRADES = "application/x-trades"
MAGIC = b"TRD1"


def decode(
    body: bytes, content_type: str = JSON, role: Role = Role.INPUT, path: str = "/predict"
) -> tuple[Facts, Mapping[str, object]]:
    side = Side()
    facts = decode_exchange(body, content_type, "", role, side, method="POST", path=path)
    return facts, {name: [*cells] for name, cells in side.columns(set()).items()}


def register(monkeypatch: pytest.MonkeyPatch, *protocols: AnyProtocol) -> None:
    """Have *protocols* asked before all others."""
    monkeypatch.setattr(registry, "TABLE", Table.of((*protocols, *PROTOCOLS)))


# A protocol of signals: {"signal": [...], "scale": 2} is answered by {"peak": 4.0}


def decode_signal(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    signal, scale = value.get("signal"), value.get("scale")
    if not isinstance(signal, list) or not isinstance(scale, int):
        return None
    side.add_rows([{"points": len(signal), "scale": scale, "path": path}])
    return Facts(Protocol.CUSTOM, value=value)


def decode_peak(value: Mapping[str, Cell], path: str, side: Side) -> Facts:
    del path
    side.add_rows([{"highest": value["peak"]}])
    return Facts(Protocol.CUSTOM, value=value)


SIGNALS = JsonProtocol(
    input_keys=frozenset({"signal"}),
    output_keys=frozenset({"peak"}),
    decode_input=decode_signal,
    decode_output=decode_peak,
)


# A format of trades: b"TRD1", then the side and the price of each


def decode_trades(body: Body, side: Side) -> Facts | None:
    content = body.content.removeprefix(MAGIC)
    if len(content) % 9:
        return None
    side.add_rows([{"side": one, "price": two} for one, two in struct.iter_unpack("<bd", content)])
    return Facts(Protocol.CUSTOM)


TRADE_FORMAT = Format(
    media_types=frozenset({TRADES}),
    begins=lambda content: content.startswith(MAGIC),
    decode=decode_trades,
)


def test_an_exchange_is_decoded_by_a_protocol_in_json_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request, response = b'{"signal": [1, 4, 2], "scale": 2}', b'{"peak": 4.0}'
    assert decode(request)[0].protocol is Protocol.JSON
    register(monkeypatch, SIGNALS)
    facts, columns = decode(request)
    assert facts.protocol is Protocol.CUSTOM
    assert columns == {"points": [3], "scale": [2], "path": ["/predict"]}
    facts, columns = decode(response, role=Role.OUTPUT)
    assert facts.protocol is Protocol.CUSTOM
    assert columns == {"highest": [4.0]}


def test_a_batch_of_one_shape_is_decoded_by_a_protocol_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies = [b'{"peak": 4.0}'] * EXAMPLES
    assert Shapes("outputs").read(bodies) is not None
    register(monkeypatch, SIGNALS)
    assert Shapes("outputs").read(bodies) is None  # the batch is decoded one by one


def test_keys_of_a_request_claim_no_response(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, SIGNALS)
    facts, columns = decode(b'{"signal": 1}', role=Role.OUTPUT)
    assert (facts.protocol, columns) == (Protocol.JSON, {"signal": [1]})


def test_an_object_that_a_protocol_hands_back_is_offered_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch, SIGNALS)
    facts, _ = decode(b'{"signal": 1, "instances": [[1.0, 2.0]]}')
    assert facts.protocol is Protocol.KSERVE_V1
    facts, columns = decode(b'{"signal": 1}')
    assert (facts.protocol, columns) == (Protocol.JSON, {"signal": [1]})


def test_of_two_protocols_that_claim_a_body_the_first_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b'{"signal": [1], "scale": 1, "instances": [[1.0, 2.0]]}'
    register(monkeypatch, SIGNALS)
    assert decode(body)[0].protocol is Protocol.CUSTOM
    monkeypatch.setattr(registry, "TABLE", Table.of((*PROTOCOLS, SIGNALS)))
    assert decode(body)[0].protocol is Protocol.KSERVE_V1


@pytest.mark.parametrize("content_type", [TRADES, TRADES.upper() + "; version=1", JSON, ""])
def test_a_format_from_outside_is_recognised_by_content_type_and_by_first_bytes(
    monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    body = MAGIC + struct.pack("<bdbd", -1, 99.5, 1, 98.0)
    with pytest.raises(Undecodable):
        decode(body, content_type)
    register(monkeypatch, TRADE_FORMAT)
    facts, columns = decode(body, content_type)
    assert facts.protocol is Protocol.CUSTOM
    assert columns == {"side": [-1, 1], "price": [99.5, 98.0]}


@pytest.mark.parametrize(
    ("content_type", "reason"), [(TRADES, "unknown_content_type"), (JSON, "malformed")]
)
def test_a_body_that_its_format_hands_back_is_undecodable(
    monkeypatch: pytest.MonkeyPatch, content_type: str, reason: str
) -> None:
    register(monkeypatch, TRADE_FORMAT)
    with pytest.raises(Undecodable) as raised:
        decode(MAGIC + b"?", content_type)
    assert raised.value.reason == reason


def test_every_protocol_that_a_module_declares_is_registered_once() -> None:
    declared: list[AnyProtocol] = []
    for module in pkgutil.iter_modules(nilometer.decode.__path__):
        found = vars(importlib.import_module(f"nilometer.decode.{module.name}")).values()
        declared += [one for one in found if isinstance(one, Format | JsonProtocol)]
    assert len(PROTOCOLS) == len({*map(id, PROTOCOLS)})
    assert {*map(id, declared)} == {*map(id, PROTOCOLS)}


def test_no_content_type_is_declared_twice() -> None:
    declared = [one for each in PROTOCOLS if isinstance(each, Format) for one in each.media_types]
    assert sorted(declared) == sorted({*declared})
