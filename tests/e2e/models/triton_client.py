"""Run by the environment of Triton: real clients. Prints what they saw, as JSON. No import of ours.

Arguments: the HTTP port, the gRPC port, requests of each kind.
"""

import json
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

MODEL = "doubler"


def rows(number: int) -> Any:
    return np.array([[number, number + 1, number + 2, number + 3]], dtype=np.float32)


def inputs(client: Any, number: int, **how: Any) -> list[Any]:
    tensor = client.InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(rows(number), **how)
    return [tensor]


def http_calls(url: str, requests: int) -> list[Any]:
    client = over_http.InferenceServerClient(url, connection_timeout=30, network_timeout=30)
    seen: list[Any] = [client.is_server_live(), client.get_model_metadata(MODEL)["name"]]
    kinds: tuple[tuple[dict[str, Any], ...], ...] = (
        ({"binary_data": False}, {"binary_data": False}, {}),
        ({"binary_data": True}, {"binary_data": True}, {}),
        ({"binary_data": True}, {"binary_data": False}, {"request_compression_algorithm": "gzip"}),
        ({"binary_data": False}, {"binary_data": True}, {"response_compression_algorithm": "gzip"}),
    )
    for given, wanted, how in kinds:
        for number in range(requests):
            asked = [over_http.InferRequestedOutput("y", **wanted)]
            answer = client.infer(
                MODEL,
                inputs(over_http, number, **given),
                outputs=asked,
                request_id=f"h{number}",
                **how,
            )
            seen.append([answer.get_response()["id"], answer.as_numpy("y").tolist()])
    try:
        client.infer("nothing", inputs(over_http, 1))
    except InferenceServerException as error:
        seen.append([str(error.status()), str(error.message())])
    return seen


def grpc_calls(url: str, requests: int) -> list[Any]:
    client = over_grpc.InferenceServerClient(url)
    seen: list[Any] = [client.is_server_live(), client.get_model_metadata(MODEL).name]
    for compression in (None, "gzip", "deflate"):
        for number in range(requests):
            answer = client.infer(
                MODEL,
                inputs(over_grpc, number),
                request_id=f"g{number}",
                compression_algorithm=compression,
            )
            seen.append([answer.get_response().id, answer.as_numpy("y").tolist()])
    try:
        client.infer("nothing", inputs(over_grpc, 1))
    except InferenceServerException as error:
        seen.append([str(error.status()), str(error.message())])
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(requests):
        client.async_stream_infer(MODEL, inputs(over_grpc, number), request_id=f"s{number}")
    for _ in range(requests):
        result, failed = answers.get(timeout=60)
        seen.append([str(failed), result.get_response().id, result.as_numpy("y").tolist()])
    client.stop_stream()
    return seen


if __name__ == "__main__":
    http, grpc, requests = map(int, sys.argv[1:4])
    print(
        json.dumps(
            [http_calls(f"127.0.0.1:{http}", requests), grpc_calls(f"127.0.0.1:{grpc}", requests)]
        )
    )
