"""Triton's own clients, asking the model `linear`. Prints what they saw, as JSON. No import of ours.

Arguments: the HTTP port, the gRPC port, whether tensors go as binary over HTTP, requests of each kind.
"""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException


def ask(module: Any, port: int, requests: int, **given: bool) -> list[Any]:
    client = module.InferenceServerClient(f"127.0.0.1:{port}")
    seen: list[Any] = [client.is_server_ready()]
    for number in range(requests):
        tensor = module.InferInput("x", [1, 2], "FP64")
        tensor.set_data_from_numpy(np.array([[number, number / 4]]), **given)
        answer = client.infer("linear", [tensor], request_id=f"t{number}")
        seen.append(answer.as_numpy("score").tolist())
    try:
        client.infer("nothing", [tensor])
    except InferenceServerException as error:
        seen.append(error.status())
    return seen


if __name__ == "__main__":
    http, grpc, binary, requests = map(int, sys.argv[1:])
    seen = [
        ask(over_http, http, requests, binary_data=bool(binary)),
        ask(over_grpc, grpc, requests),
    ]
    print(json.dumps(seen))
