"""Real Python model servers under `nilometer run`, each in its own protocols, with two workers if it has any."""

import json
import signal
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from e2e.served import EACH, HOST, SCORE, A, B, Served, compare, post, request, total

pytestmark = pytest.mark.timeout(900)


# FastAPI.


def multipart(number: int) -> bytes:
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n{number}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n{'x' * number}\r\n--b--\r\n"
    )
    return request("POST", "/upload", parts.encode(), "multipart/form-data; boundary=b")


def fastapi_requests() -> tuple[bytes, ...]:
    """A row is a = n, b = n/4; a list holds it twice."""
    made: list[bytes] = []
    for n in range(EACH):
        row = {"a": float(n), "b": n / 4}
        form = f"a={n}&b={n / 4}".encode()
        made += [
            post("/object", row),
            post("/list", [row, row]),
            request("POST", "/form", form, "application/x-www-form-urlencoded"),
            multipart(n),
            request("GET", f"/query?a={n}&b={n / 4}"),
            post("/events", row),
            post("/lines", row),
            post("/fails", row),
            post("/object", {"a": "x"}),
            request("GET", "/nowhere"),
        ]
    return tuple(made)


FASTAPI = Served(
    name="fastapi",
    packages=(
        *("fastapi==0.165.0", "uvicorn==0.54.0", "gunicorn==26.2.0", "uvicorn-worker==0.4.0"),
        *("httptools", "python-multipart"),
    ),
    command=("{bin}/uvicorn", "fastapi_app:app", "--port", "{port}", "--workers", "2"),
    ready="/openapi.json",
    requests=fastapi_requests(),
    statuses={200: 7 * EACH, 500: EACH, 422: EACH},  # /nowhere is no prediction
    environment={"NILOMETER_INCLUDE": "GET /query"},
    sums={  # of what was answered with 200
        "input.a": (7 * EACH, 7 * A),
        "input.b": (6 * EACH, 6 * B),
        "input.file.bytes": (EACH, A),
        # Four plain answers, of which one takes the file's size for b, and twice three in a stream.
        "output.score": (10 * EACH, 10 * SCORE + B - A + 6 * EACH),
        "output.scores.0": (EACH, SCORE),
        "output.scores.1": (EACH, SCORE),
    },
)

GUNICORN = (
    *("{bin}/gunicorn", "fastapi_app:app", "-w", "2", "-b", f"{HOST}:{{port}}"),
    "--no-control-socket",
)
ON_FASTAPI = [
    replace(FASTAPI, name=f"fastapi {name}", command=command, recycled="recycled" in name)
    for name, command in {
        "lifespan off": (*FASTAPI.command, "--lifespan", "off"),
        "recycled by uvicorn": (*FASTAPI.command, "--limit-max-requests", "120"),
        "gunicorn --preload": (*GUNICORN, "--preload", "-k", "uvicorn_worker.UvicornWorker"),
        "recycled by gunicorn": (
            *(*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"),
            *("--max-requests", "120", "--max-requests-jitter", "30"),
        ),
        "gunicorn's own worker": (*GUNICORN, "-k", "asgi"),
    }.items()
]


# MLflow.


def mlflow_requests() -> tuple[bytes, ...]:
    made: list[bytes] = []
    for n in range(EACH):
        row = [float(n), n / 4]
        made += [
            post("/invocations", {"dataframe_split": {"columns": ["a", "b"], "data": [row, row]}}),
            post("/invocations", {"dataframe_records": [{"a": row[0], "b": row[1]}]}),
            post("/invocations", {"inputs": {"a": [row[0]], "b": [row[1]]}}),
            post("/invocations", {"instances": [{"a": row[0], "b": row[1]}]}),
            request("POST", "/invocations", f"a,b\n{row[0]},{row[1]}\n".encode(), "text/csv"),
            post("/invocations", {"neither": [row]}),
        ]
    return tuple(made)


MLFLOW = Served(
    name="mlflow",
    packages=("mlflow==3.17.2", "scikit-learn==1.9.1"),
    command=(
        *("{bin}/mlflow", "models", "serve", "-m", "{model}", "-h", HOST, "-p", "{port}"),
        *("-w", "2", "--env-manager", "local"),
    ),
    environment={"PYTHONHASHSEED": "7"},  # an error names the keys it knows in the order of a set
    prepared=("{python}", "{here}/mlflow_model.py", "{model}"),
    ready="/ping",
    requests=mlflow_requests(),
    statuses={200: 5 * EACH, 400: EACH},
    sums={
        "input.a": (6 * EACH, 6 * A),
        "input.b": (6 * EACH, 6 * B),
        "output.predictions": (6 * EACH, 6 * SCORE),
    },
)


# MLServer and KServe: the Open Inference Protocol.


def v2_tensor(row: list[float]) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP64", "shape": [1, 2], "data": row}


MLSERVER = Served(
    name="mlserver",
    packages=("mlserver==1.7.1", "uvloop<0.22", "pandas<3", "tritonclient[grpc,http]"),
    command=("{bin}/mlserver", "start", "{here}/mlserver"),
    ready="/v2/health/ready",
    requests=tuple(
        one
        for n in range(EACH)
        for one in (
            post(
                "/v2/models/linear/infer",
                {"id": f"r{n}", "inputs": [v2_tensor([float(n), n / 4])]},
            ),
            post(
                "/v2/models/linear/infer",
                {"id": f"z{n}", "inputs": [v2_tensor([float(n), n / 4] * 1)]},
                Accept_Encoding="gzip",
            ),
            post("/v2/models/nothing/infer", {"inputs": []}),
        )
    ),
    client=("{python}", "{here}/v2_client.py", "{port}", "{grpc}", "0", str(EACH)),
    observed=2 * EACH + 2,
    statuses={200: 4 * EACH, 404: EACH + 2},
    sums={
        "input.x.0": (4 * EACH, 4 * A),
        "input.x.1": (4 * EACH, 4 * B),
        "output.score": (4 * EACH, 4 * SCORE),
    },
    environment={
        "MLSERVER_HOST": HOST,
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{grpc}",
        "MLSERVER_METRICS_PORT": "{other}",
        "MLSERVER_PARALLEL_WORKERS": "2",
    },
)


def v2_binary(n: int) -> bytes:
    """As tritonclient sends it: no content type."""
    raw = struct.pack("<2d", n, n / 4)
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP64", "shape": [1, 2]}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"id": f"b{n}", "inputs": [tensor]}).encode()
    return request(
        "POST",
        "/v2/models/linear/infer",
        head + raw,
        inference_header_content_length=str(len(head)),
    )


KSERVE = Served(
    name="kserve",
    packages=("kserve==0.21.0", "tritonclient[grpc,http]"),
    command=(
        *("{python}", "{here}/kserve_model.py", "--http_port", "{port}"),
        *("--grpc_port", "{grpc}", "--workers", "2"),
    ),
    ready="/v2/health/ready",
    requests=tuple(
        one
        for n in range(EACH)
        for one in (
            post("/v1/models/linear:predict", {"instances": [[float(n), n / 4]] * 2}),
            post(
                "/v2/models/linear/infer", {"id": f"r{n}", "inputs": [v2_tensor([float(n), n / 4])]}
            ),
            v2_binary(n),
            post("/v1/models/nothing:predict", {"instances": []}),
        )
    ),
    client=("{python}", "{here}/v2_client.py", "{port}", "{grpc}", "1", str(EACH)),
    observed=2 * EACH + 2,
    statuses={200: 5 * EACH, 404: EACH + 2},
    sums={
        "input.instances.0": (2 * EACH, 2 * A),
        "input.instances.1": (2 * EACH, 2 * B),
        "output.predictions": (2 * EACH, 2 * SCORE),
        "input.x.0": (4 * EACH, 4 * A),
        "input.x.1": (4 * EACH, 4 * B),
        "output.score": (4 * EACH, 4 * SCORE),
    },
)


# BentoML.

BENTOML = Served(
    name="bentoml",
    packages=("bentoml==1.4.39",),
    command=(
        *("{bin}/bentoml", "serve", "bentoml_service:Linear", "--host", HOST, "--port", "{port}"),
        *("--working-dir", "{here}"),
    ),
    ready="/readyz",
    requests=tuple(
        one
        for n in range(EACH)
        for one in (
            post("/score", {"a": float(n), "b": n / 4}),
            post("/rows", {"rows": [[float(n), n / 4]] * 2}),
            post("/stream", {"a": float(n), "b": n / 4}),
            post("/fails", {"a": float(n)}),
            post("/score", {"a": "x", "b": 1}),
        )
    ),
    statuses={200: 3 * EACH, 500: EACH, 400: EACH},
    sums={
        "input.a": (2 * EACH, 2 * A),
        "input.b": (2 * EACH, 2 * B),
        "input.rows.0": (2 * EACH, 2 * A),
        "input.rows.1": (2 * EACH, 2 * B),
        "output.score": (EACH, SCORE),
        "output.value": (2 * EACH, 2 * SCORE),
        # What it calls an event stream is text.
        "output.words": (EACH, 3 * EACH),
        "output.characters": (
            EACH,
            total(lambda n: sum(len(f"{2 * n - n / 4 + step} ") for step in range(3))),
        ),
    },
    changing=(rb"(?mi)^x-bentoml-request-id: [^\r]*",),
    environment={"BENTOML_HOME": "{model}", "BENTOML_DO_NOT_TRACK": "True"},
)


# LitServe.

LITSERVE = Served(
    name="litserve",
    packages=("litserve==0.2.19", "openai"),
    command=("{python}", "{here}/litserve_server.py", "{port}"),
    ready="/health",
    requests=tuple(
        one
        for n in range(EACH)
        for one in (
            post("/predict", {"a": float(n), "b": n / 4}),
            post("/predict", {"a": "x", "b": 1}),
        )
    ),
    statuses={200: EACH, 500: EACH},
    sums={"input.a": (EACH, A), "input.b": (EACH, B), "output.score": (EACH, SCORE)},
    end_with=signal.SIGINT,  # upon SIGTERM it leaves its workers behind
)

PROMPTS = ["one two three" + " more" * (n % 3) for n in range(EACH)]  # as chat_client.py has them
WORDS = sum(len(prompt.split()) for prompt in PROMPTS)

CHAT = Served(
    name="litserve chat",
    packages=LITSERVE.packages,
    command=("{python}", "{here}/litserve_chat.py", "{port}"),
    ready="/health",
    requests=(),
    client=("{python}", "{here}/chat_client.py", "{port}", str(EACH)),
    observed=2 * EACH,
    statuses={200: 2 * EACH},
    sums={
        "input.messages": (2 * EACH, 2 * EACH),
        "input.characters": (2 * EACH, 2 * sum(map(len, PROMPTS))),
        "input.attachments": (2 * EACH, 0.0),
        "input.tools": (2 * EACH, 0.0),
        "output.choices": (2 * EACH, 2 * EACH),
        "output.characters": (2 * EACH, 2 * sum(len(prompt) + 1 for prompt in PROMPTS)),
        "output.tool_calls": (2 * EACH, 0.0),
        # At the end of a stream LitServe tells the usage of the last word alone.
        "output.input_tokens": (2 * EACH, WORDS + EACH),
        "output.output_tokens": (2 * EACH, WORDS + EACH),
    },
    end_with=signal.SIGINT,
)


@pytest.mark.parametrize(
    "served",
    [FASTAPI, *ON_FASTAPI, MLFLOW, MLSERVER, KSERVE, BENTOML, LITSERVE, CHAT],
    ids=lambda one: one.name,
)
def test_real_server(served: Served, table: list[str], tmp_path: Path) -> None:
    table.append(f"{served.name:30s}{compare(served, tmp_path)}")
