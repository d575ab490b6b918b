"""`nilometer agent`: the sidecar from the command line."""

import argparse
import os
from pathlib import Path

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.commands.unread import warn_of_unread_variables
from nilometer.settings.settings import load
from nilometer_agent.settings import PREFIX, AgentSettings

_OPTIONS = (
    (
        "--directory",
        "directory",
        str,
        "directory of the socket and the outbox; created with mode 0700",
    ),
    ("--socket", "socket", str, "Unix socket that workers connect to"),
    ("--name", "name", str, "stable name of this agent at the collector"),
    ("--collector", "collector", str, "host:port of the collector's gRPC; '' sends nothing"),
    ("--window-seconds", "window_seconds", int, "length of a window of event time"),
    (
        "--grace-seconds",
        "grace_seconds",
        float,
        "event time that must pass after a window before it closes",
    ),
    ("--otlp-endpoint", "otlp_endpoint", str, "OTLP endpoint for metrics"),
    ("--metrics-address", "metrics_address", str, "host:port of /metrics and of the probes"),
    (
        "--events-address",
        "events_address",
        str,
        "host:port that receives events of inference loggers",
    ),
)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the agent and its settings."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML or YAML file with settings"
    )
    for flag, name, kind, text in _OPTIONS:
        parser.add_argument(flag, dest=name, type=kind, default=None, help=text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the agent's own options."""
    add_settings(parser)
    parser.add_argument(
        "--until-idle",
        action="store_const",
        const=True,
        default=None,
        help="stop after the last worker has disconnected",
    )


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer agent`."""
    parser = subparsers.add_parser(
        "agent",
        help="run the sidecar",
        description="Receive observations from model servers, profile them, evaluate alerters, "
        "ship the results to the collector, and export metrics. Writes to its directory only. "
        "Connects to the collector and, if it is set, to an OTLP endpoint.",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    # Child processes of a trial do not use gRPC. Its fork support would stop its threads at each
    # fork.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from nilometer_agent.server import run as serve

    log_to_stderr()
    warn_of_unread_variables()
    options = {**given(arguments), "until_idle": arguments.until_idle}
    serve(load(AgentSettings, prefix=PREFIX, file=arguments.config, arguments=options))
    return 0


def given(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given in *arguments*."""
    return {name: getattr(arguments, name) for _, name, _, _ in _OPTIONS}
