"""Web frameworks that people wrap models in, under the servers that they are run with."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.served import EACH, HERE, HOST, SCORE, A, B, Served, compare, post

pytestmark = pytest.mark.timeout(900)

FRAMEWORKS = str(HERE.parent / "frameworks")


def requests(*, streams: bool = True, fails: bool = True) -> tuple[bytes, ...]:
    """A row is a = n, b = n/4; a list holds it twice."""
    made: list[bytes] = []
    for n in range(EACH):
        row = {"a": float(n), "b": n / 4}
        made += [post("/object", row), post("/list", [row, row])]
        made += [post("/lines", row)] if streams else []
        made += [post("/fails", row)] if fails else []
    return tuple(made)


# The rows of what was answered with 200.
SUMS = {
    "input.a": (4 * EACH, 4 * A),
    "input.b": (4 * EACH, 4 * B),
    "output.score": (6 * EACH, 6 * SCORE + 3 * EACH),
}
FLASK = Served(
    name="flask sync",
    packages=("flask==3.1.3", "gunicorn==27.0.1", "waitress==3.0.2"),
    command=(
        *("{bin}/gunicorn", "flask_app:app", "-w", "2", "-b", f"{HOST}:{{port}}"),
        *("--no-control-socket", "-k", "sync"),
    ),
    environment={"PYTHONPATH": FRAMEWORKS},
    ready="/healthz",
    requests=requests(),
    statuses={200: 3 * EACH, 500: EACH},
    sums=SUMS,
)
WAITRESS = ("{bin}/waitress-serve", "--host", HOST, "--port", "{port}")
DJANGO = replace(
    FLASK,
    name="django gunicorn",
    packages=("django==5.2.19", "gunicorn==27.0.1", "waitress==3.0.2", "uvicorn==0.54.0"),
    command=(
        *("{bin}/gunicorn", "django_app:wsgi", "-w", "2", "-b", f"{HOST}:{{port}}"),
        "--no-control-socket",
    ),
)
UVICORN = ("{bin}/uvicorn", "--port", "{port}", "--workers", "2")
SERVED = [
    FLASK,
    replace(
        FLASK, name="flask gthread", command=(*FLASK.command[:-1], "gthread", "--threads", "4")
    ),
    replace(FLASK, name="flask waitress", command=(*WAITRESS, "flask_app:app"), ends_at_once=True),
    replace(
        FLASK,
        name="uwsgi",
        packages=("uwsgi==2.0.31", "flask==3.1.3"),
        command=(
            *("{bin}/uwsgi", "--http-socket", f"{HOST}:{{port}}", "--master", "--processes", "2"),
            *(
                "--enable-threads",
                "--die-on-term",
                "--home",
                "{bin}/..",
                "--module",
                "flask_app:app",
            ),
        ),
        ends_at_once=True,
    ),
    DJANGO,
    replace(
        DJANGO, name="django waitress", command=(*WAITRESS, "django_app:wsgi"), ends_at_once=True
    ),
    replace(DJANGO, name="django uvicorn", command=(*UVICORN, "django_app:asgi")),
    replace(
        FLASK,
        name="quart",
        packages=("quart==0.22.0", "hypercorn==0.18.0"),
        command=("{bin}/hypercorn", "quart_app:app", "-b", f"{HOST}:{{port}}", "-w", "2"),
    ),
    replace(
        FLASK,
        name="litestar",
        packages=("litestar==2.25.0", "uvicorn==0.54.0"),
        command=(*UVICORN, "litestar_app:app"),
    ),
    replace(
        FLASK,
        name="sanic",
        packages=("sanic==25.12.1", "uvicorn==0.54.0"),
        command=(*UVICORN, "sanic_app:app"),
    ),
    replace(
        FLASK,
        name="ray",
        packages=("ray[serve]==2.60.0", "fastapi==0.165.0"),
        command=("{python}", f"{FRAMEWORKS}/ray_app.py", "{port}"),
        is_wrapped=False,
        requests=requests(streams=False, fails=False),
        statuses={200: 2 * EACH},
        sums={
            "input.a": (3 * EACH, 3 * A),
            "input.b": (3 * EACH, 3 * B),
            "output.score": (3 * EACH, 3 * SCORE),
        },
        changing=(rb"(?mi)^x-request-id: [^\r]*",),
        end_with=signal.SIGINT,
    ),
    replace(
        FLASK,
        name="gradio",
        packages=("gradio==6.31.0",),
        command=("{python}", f"{FRAMEWORKS}/gradio_app.py", "{port}"),
        environment={"GRADIO_ANALYTICS_ENABLED": "False"},
        ready="/gradio_api/info",
        requests=tuple(
            post("/gradio_api/run/predict", {"data": [float(n), n / 4]}) for n in range(EACH)
        ),
        observed=2,  # it asks itself at its start
        changing=(rb'"(?:average_)?duration":[^,}]*', rb"(?mi)^content-length: [^\r]*"),
        statuses={200: EACH},
        sums={
            "input.data.0": (EACH, A),
            "input.data.1": (EACH, B),
            "output.data": (EACH, SCORE),
            "output.changed_state_ids.size": (EACH, 0.0),
        },
        measured=frozenset({"output.duration", "output.average_duration"}),
        end_with=signal.SIGINT,
    ),
]


@pytest.mark.parametrize("served", SERVED, ids=lambda one: one.name)
def test_framework(served: Served, table: list[str], tmp_path: Path) -> None:
    table.append(f"{served.name:30s}{compare(served, tmp_path)}")
