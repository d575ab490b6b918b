"""Run by a worker of TorchServe: a handler without torch that doubles. No import of ours."""

import json
from typing import Any


def handle(data: Any, context: Any) -> Any:
    del context
    if data is None:  # when the worker starts
        return None
    answers = []
    for one in data:
        body = one.get("body") or one.get("data")
        if isinstance(body, (bytes, bytearray)):
            body = json.loads(body)
        answers.append({"doubled": [value * 2 for value in body["values"]]})
    return answers
