"""Times of the tokens in streamed responses, compared with the client's own clock.

A client reads streams in eight dialects, and records when each frame with content arrives. An agent
exports the time to the first token and the time per token of the same streams. Means over all
rounds are compared. A difference of 5 ms or 5 % is allowed.
"""

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cost_per_request import free_port
from benchmarks.tokens_app import CONTENT, DIALECTS, THOUGHT, TOKENS, WITH_REASONING

ROUNDS = 5
MOST_SECONDS = 0.005
MOST_SHARE = 0.05
START_SECONDS = 30.0
FIRST = "gen_ai_server_time_to_first_token_seconds"
EACH = "gen_ai_server_time_per_output_token_seconds"
_CONTENT = CONTENT.encode()
_REASONING = b'"hm"'


def client(port: int, name: str) -> tuple[float, float]:
    """Return the times from the client's view: to the first token, and per token; in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    body = json.dumps({"model": "m", "messages": [], "stream": True})
    began = time.perf_counter()
    connection.request("POST", DIALECTS[name].path, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    content: list[float] = []
    reasoning: list[float] = []
    while line := answer.readline():
        if _CONTENT in line:
            content.append(time.perf_counter() - began)
        elif _REASONING in line:
            reasoning.append(time.perf_counter() - began)
    connection.close()
    first, tokens = (reasoning[0], TOKENS + THOUGHT) if reasoning else (content[0], TOKENS)
    assert bool(reasoning) == (name in WITH_REASONING)
    return content[0], (content[-1] - first) / (tokens - 1)


def exported(port: int) -> dict[tuple[str, str], float]:
    """Return the sums and counts that the agent exports, by series name and entity."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith((FIRST, EACH)):
            name, _, rest = line.partition("{")
            labels, _, value = rest.rpartition(" ")
            entity = labels.partition('nilometer_entity="')[2].partition('"')[0]
            found[name, entity] = float(value)
    return found


def ready(port: int) -> None:
    """Wait until a server listens."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def measured(
    directory: Path,
) -> tuple[dict[str, list[tuple[float, float]]], dict[tuple[str, str], float]]:
    """Return the client's times by dialect, and the series of the agent."""
    metrics, port = free_port(), free_port()
    agent = [sys.executable, "-m", "nilometer_agent", "--directory", str(directory)]
    server = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.tokens_app:application"]
    address = f"127.0.0.1:{metrics}"
    processes = [
        subprocess.Popen(
            [*agent, "--collector", "", "--metrics-address", address], stderr=subprocess.DEVNULL
        )
    ]
    try:
        ready(metrics)
        environment = {**os.environ, "BENCHMARK_AGENT": f"unix:{directory}/agent.sock"}
        processes.append(
            subprocess.Popen(
                [*server, "--port", str(port), "--log-level", "warning"], env=environment
            )
        )
        ready(port)
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in DIALECTS}
        for name in DIALECTS:
            client(port, name)  # the first request of a process is slower
        with ThreadPoolExecutor(len(DIALECTS)) as pool:
            before = waited(metrics, 1)
            for _ in range(ROUNDS):
                for name, times in zip(
                    DIALECTS, pool.map(lambda one: client(port, one), DIALECTS), strict=True
                ):
                    seen[name].append(times)
        after = waited(metrics, 1 + ROUNDS)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    return seen, {key: value - before[key] for key, value in after.items() if key in before}


def waited(port: int, streams: int) -> dict[tuple[str, str], float]:
    """Return the series of the agent after it has counted *streams* of each dialect."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found = exported(port)
        if all(found.get((f"{EACH}_count", name), 0) >= streams for name in DIALECTS):
            return found
        time.sleep(0.2)
    raise TimeoutError("the agent has not exported the times of all streams")


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        seen, series = measured(Path(directory))
    print(f"means of {ROUNDS} streams, in ms; allowed: 5 ms or 5 %")
    print(f"{'dialect':>12} {'first token':>24} {'per token':>24}")
    missed = 0
    for name, times in seen.items():
        cells = []
        for what, own in ((FIRST, [one for one, _ in times]), (EACH, [one for _, one in times])):
            client_mean = statistics.fmean(own)
            mean = series[f"{what}_sum", name] / series[f"{what}_count", name]
            off = abs(mean - client_mean)
            is_missed = off > MOST_SHARE * client_mean and (what == EACH or off > MOST_SECONDS)
            missed += is_missed
            mark = " !" if is_missed else ""
            cells.append(f"{mean * 1000:8.2f} client {client_mean * 1000:8.2f}{mark}")
        print(f"{name:>12} {cells[0]:>24} {cells[1]:>24}")
    return 1 if missed else 0
