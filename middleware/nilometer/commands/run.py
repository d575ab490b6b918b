"""``nilometer run``: a command with its servers observed, without a line of code.

The command takes this process's place, so that signals and its exit code are its own. What it needs
travels in the environment: it reaches forked and spawned workers, reloaders and their children.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import nilometer
from nilometer.handoff.settings import AUTO, PREFIX, CaptureSettings
from nilometer.handoff.spawn import START_SECONDS, AgentSpawner, answers
from nilometer.settings.settings import load
from nilometer.values.errors import ConfigError
from nilometer.values.variables import RUN

HOOK = Path(nilometer.__file__).parent / "capture" / "hook"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command `run`."""
    parser = commands.add_parser(
        "run",
        help="run a command and observe its model servers",
        description="Run COMMAND and observe the servers that it and its children start: uvicorn, "
        "gunicorn, hypercorn, granian, grpc and grpc.aio, and what is made of them. Starts an "
        "agent if none answers; writes its socket and data to the state directory. The command "
        "takes this process's place. Settings come from NILOMETER_* and the options.",
    )
    parser.add_argument("--entity", required=True, help="name of the monitored entity")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="where it runs; may be given often",
    )
    parser.add_argument("--agent", help="unix:/path of an agent that somebody else starts")
    parser.add_argument(
        "--profile-in", choices=("agent", "process"), help="where bodies are parsed"
    )
    parser.add_argument(
        "--max-cpu-percent",
        metavar="PERCENT",
        help="most processor time that observing may take in a process, of one core",
    )
    parser.add_argument(
        "--max-p99-us",
        metavar="MICROSECONDS",
        help="most that observing may add to a request at its 99th percentile",
    )
    parser.add_argument("command_line", nargs="+", metavar="COMMAND", help="after --")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    command: list[str] = arguments.command_line
    environment = environment_of(
        os.environ,
        entity=arguments.entity,
        labels=arguments.label,
        agent=arguments.agent,
        profile_in=arguments.profile_in,
        max_cpu_percent=arguments.max_cpu_percent,
        max_p99_us=arguments.max_p99_us,
    )
    settings = load(CaptureSettings, prefix=PREFIX, environment=environment)
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        raise ConfigError(f"{command[0]}: there is no such command")
    if settings.agent == AUTO:
        start_agent(settings)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program, command, environment)  # noqa: S606  the user's own command, no shell


def environment_of(
    environment: Mapping[str, str],
    *,
    entity: str,
    labels: Sequence[str] = (),
    agent: str | None = None,
    profile_in: str | None = None,
    max_cpu_percent: str | None = None,
    max_p99_us: str | None = None,
) -> dict[str, str]:
    """*environment*, such that every Python below observes its servers.

    Raises:
        ConfigError: If a label is no ``key=value``.
    """
    new = dict(environment)
    new[PREFIX + "ENTITY"] = entity
    if labels:
        if not all("=" in label for label in labels):
            raise ConfigError(f"--label {' '.join(labels)}: must be key=value")
        before = [new[PREFIX + "LABELS"]] if new.get(PREFIX + "LABELS") else []
        new[PREFIX + "LABELS"] = ",".join([*before, *labels])
    for name, given in (
        ("AGENT", agent),
        ("PROFILE_IN", profile_in),
        ("MAX_CPU_PERCENT", max_cpu_percent),
        ("MAX_P99_US", max_p99_us),
    ):
        if given is not None:
            new[PREFIX + name] = given
    new[RUN] = "1"
    path = [str(HOOK), *filter(None, new.get("PYTHONPATH", "").split(os.pathsep))]
    new["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    return new


def start_agent(settings: CaptureSettings) -> None:
    """Start an agent if none answers, in a process that is nobody's child when the command runs.

    The one who starts it waits beside, so that the server need not: a worker that is ready before
    the agent keeps what it has.

    Raises:
        ConfigError: If the agent's packages are not installed.
    """
    if answers(settings.socket_path):
        return
    spawner = AgentSpawner(settings.home, settings.allowed_uids)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # The grandchild: adopted by the system, so that the command never meets a child it did not make.
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
        spawner.tend()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not answers(settings.socket_path):
            time.sleep(0.05)
    finally:
        os._exit(0)
