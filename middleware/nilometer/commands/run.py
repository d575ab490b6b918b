"""``nilometer run``: runs a command and observes its servers, without a code change.

The command replaces this process, so that it handles its own signals and sets its own exit code.
Its settings are environment variables, which workers, reloaders and other child processes inherit.
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
    """Register the command."""
    parser = commands.add_parser(
        "run",
        help="run a command and observe its model servers",
        description="Run COMMAND and observe the servers that it and its children start: uvicorn, "
        "gunicorn, hypercorn, granian, waitress, uWSGI, grpc and grpc.aio, and what is made of them. "
        "Starts an "
        "agent if none answers; writes its socket and data to the state directory. The command "
        "takes this process's place. Settings come from NILOMETER_* and the options.",
    )
    parser.add_argument("--entity", required=True, help="name of the monitored entity")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label of the samples; may be repeated",
    )
    parser.add_argument("--agent", help="address of a running agent, unix:/path")
    parser.add_argument(
        "--profile-in", choices=("agent", "process"), help="place where bodies are parsed"
    )
    parser.add_argument(
        "--max-cpu-percent",
        metavar="PERCENT",
        help="limit of the CPU time for observation, in percent of one core",
    )
    parser.add_argument(
        "--max-p99-us",
        metavar="MICROSECONDS",
        help="limit of the time that observation adds to a request (99th percentile)",
    )
    parser.add_argument("command_line", nargs="+", metavar="COMMAND", help="command, after --")
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
        raise ConfigError(f"{command[0]}: no such command")
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
    """Return *environment* with the variables that make child processes observe their servers.

    Raises:
        ConfigError: If a label is not ``key=value``.
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
    """Start an agent if none answers; its process is not a child of the command.

    A helper process waits for the agent, so the server does not wait. A worker that starts before
    the agent keeps its observations until the agent is ready.

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
    # The agent is a grandchild, which init adopts. So the command has no child that it did not
    # start.
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
        spawner.start_if_needed()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not answers(settings.socket_path):
            time.sleep(0.05)
    finally:
        os._exit(0)
