"""Real Python model servers under `nilometer run`, each in an environment of its own below ``.e2e``.

Each serves 2a - b in its own protocols, with two workers where it has workers. The same requests go to
the server as it is and to the server under us: the answers are equal to the byte, less what the server
itself draws anew for every answer (dates, ids), and what was sent is what was profiled, to the last row.
Then the server is told to end: it leaves no process, and no observation behind.
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e.stack import ROOT
from e2e.watched import environment, watched

from nilometer.handoff.settings import PROBES
from nilometer_collector.demo.processes import free_port

HERE = Path(__file__).resolve().parent / "model_servers"
HOST = "127.0.0.1"
ENTITY = "linear"
EACH = 100  # requests of each kind
SECONDS_TO_START = 120
SECONDS_TO_END = 40

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Served:
    """A server and what is sent to it.

    Attributes:
        packages: Of its environment, beside this project.
        command: ``{python}``, ``{bin}`` and ``{port}`` are filled in.
        ready: The path that answers 200 when every model is there.
        requests: Each is sent once on a connection of its own.
        statuses: Answers to predictions by status.
        sums: Rows and sum of every numeric summary that there must be, and of no other.
        changing: What the server draws anew for each answer, as patterns of bytes.
        environment: Variables of the command.
        client: A command that asks it and prints what it saw, if there is one.
        observed: Requests of the client that are observed.
        recycled: Whether its workers end after so many requests.
        end_with: The signal after which the server, as it is, leaves no process.
    """

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    ready: str
    requests: tuple[bytes, ...]
    statuses: dict[int, int]
    sums: dict[str, tuple[int, float]]
    changing: tuple[bytes, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    client: tuple[str, ...] = ()
    observed: int = 0
    recycled: bool = False
    end_with: signal.Signals = signal.SIGTERM


def python_of(name: str, *packages: str) -> Path:
    """The interpreter of the server *name*, with this project as it stands."""
    return environment(name, sys.executable, *packages, "-e", str(ROOT))


def request(method: str, path: str, body: bytes = b"", kind: str = "", **headers: str) -> bytes:
    """A request that closes its connection; ``x_y=v`` is the header ``x-y: v``."""
    lines = [f"{method} {path} HTTP/1.1", "Host: m", "Connection: close"]
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def post(path: str, value: Any, **headers: str) -> bytes:
    return request("POST", path, json.dumps(value).encode(), "application/json", **headers)


def ask(port: int, asked: bytes, *, recycled: bool = False) -> bytes:
    """Every byte of the answer, until the server closes.

    A worker that ends for good, and has accepted a connection it did not look at, resets it. Where
    workers are *recycled* the request is sent again, as clients do: nobody has seen it.
    """
    while True:
        try:
            return exchange(port, asked)
        except ConnectionResetError:
            if not recycled:
                raise


def exchange(port: int, asked: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(asked)
        answer = bytearray()
        while part := connection.recv(65536):
            answer += part
        if not answer:
            raise ConnectionResetError("closed without an answer")
        return bytes(answer)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@dataclass
class Running:
    """A started server."""

    words: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    probed: Counter[int] = field(default_factory=Counter)  # answers to probes, by status

    @property
    def port(self) -> int:
        return int(self.words["port"])

    def wait_until_ready(self, path: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            try:
                answer = ask(self.port, request("GET", path))
            except OSError:
                answer = b""
            if answer:
                self.probed[status_of(answer)] += 1
                if status_of(answer) == 200:
                    return
            time.sleep(0.2)

    def end(self, how: signal.Signals) -> int:
        """Tell it to end; its exit code. No process of it is left."""
        self.process.send_signal(how)
        code = self.process.wait(SECONDS_TO_END)
        deadline = time.monotonic() + SECONDS_TO_END
        while left := self.left():
            assert time.monotonic() < deadline, [one.cmdline() for one in left]
            time.sleep(0.1)
        return code

    def left(self) -> list[psutil.Process]:
        """What runs in its session."""
        found = []
        for one in psutil.process_iter():
            try:
                if os.getsid(one.pid) == self.process.pid and one.status() != "zombie":
                    found.append(one)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@contextmanager
def running(command: list[str], words: dict[str, str], log: Path, **more: str) -> Iterator[Running]:
    """*command* in a session of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Whoever started the tests in the background had SIGINT ignored, for all below.
            ["env", "--default-signal=INT", *command],
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={
                **os.environ,
                "PATH": f"{words['bin']}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(HERE),
                **more,
            },
        )
    started = Running(words, process, log)
    try:
        yield started
    finally:
        for one in started.left():
            one.kill()
        process.wait(20)


def told(served: Served, python: Path, log: Path, agent: str = "") -> Any:
    """The server of *served*, below `nilometer run` where an agent is named."""
    words = {
        "python": str(python),
        "bin": str(python.parent),
        "here": str(HERE),
        "model": str(log.parent.parent / "model"),
        "port": str(free_port()),
        "grpc": str(free_port()),
        "other": str(free_port()),
    }
    command = [part.format(**words) for part in served.command]
    if agent:
        run = [str(python), "-m", "nilometer", "run", "--entity", ENTITY, "--agent", agent, "--"]
        command = [*run, *command]
    more = {name: value.format(**words) for name, value in served.environment.items()}
    return running(command, words, log, **more)


def without(answer: bytes, changing: tuple[bytes, ...]) -> bytes:
    for pattern in (rb"(?mi)^date: [^\r]*", *changing):
        answer = re.sub(pattern, b"", answer)
    return answer


def client_of(served: Served, server: Running) -> Any:
    """What the server's own client sees."""
    if not served.client:
        return None
    command = [part.format(**server.words) for part in served.client]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:] + server.said()
    return json.loads(ended.stdout)


def compare(served: Served, directory: Path) -> str:
    """Bare, then watched.

    Returns:
        What was found, in a line.
    """
    python = python_of(served.name.split(" ")[0], *served.packages)
    bare_log, seen_log = directory / "bare" / "log", directory / "seen" / "log"
    for log in (bare_log, seen_log):
        log.parent.mkdir()
    if served.name == "mlflow":
        made = [str(python), str(HERE / "mlflow_model.py"), str(directory / "model")]
        subprocess.run(made, check=True, timeout=120, cwd=directory)
    with told(served, python, bare_log) as server:
        server.wait_until_ready(served.ready)
        bare = [ask(server.port, one, recycled=served.recycled) for one in served.requests]
        client_bare = client_of(served, server)
        bare_code = server.end(served.end_with)
    with watched(directory / "agent") as watching:
        agent = f"unix:{watching.agent.settings.socket_path}"
        with told(served, python, seen_log, agent) as server:
            server.wait_until_ready(served.ready)
            seen = [ask(server.port, one, recycled=served.recycled) for one in served.requests]
            client_seen = client_of(served, server)
            code = server.end(served.end_with)
            said = server.said()
        for asked, with_us, as_it_is in zip(served.requests, seen, bare, strict=True):
            assert without(with_us, served.changing) == without(as_it_is, served.changing), asked
        assert client_seen == client_bare
        assert code == bare_code, said
        assert "nilometer:" not in said, said
        probed = Counter() if served.ready in PROBES else server.probed
        total = len(served.requests) + served.observed + probed.total()
        watching.settle(total)
        others = total - sum(served.statuses.values())
        assert watching.reasons().get("not_inference", 0) == others
        found = {name: both for name, both in watching.sums(ENTITY).items() if both[0]}
        assert watching.statuses(ENTITY) == served.statuses
        assert found == {
            name: (rows, pytest.approx(value, rel=1e-9, abs=1e-6))
            for name, (rows, value) in served.sums.items()
        }
    return f"{total:6,d} requests, {len(found):2d} columns, all answers and sums equal"


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that are printed at the end."""
    lines: list[str] = []
    yield lines
    sys.stdout.write("\n" + "\n".join(lines) + "\n")


def total(of: Any) -> float:
    return float(sum(of(number) for number in range(EACH)))


A = total(lambda n: n)
B = total(lambda n: n / 4)
SCORE = 2 * A - B


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
        "output.scores.size": (EACH, 2 * EACH),
        "output.scores.mean": (EACH, SCORE),
        "output.scores.norm": (EACH, 2**0.5 * SCORE),
        "output.scores.std": (EACH, 0.0),
        "output.scores.zero_share": (EACH, 1.0),
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
