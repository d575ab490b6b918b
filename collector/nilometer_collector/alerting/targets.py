"""Targets: named receivers of actions, and the kinds of them.

A target is kept as a channel is: its secrets are never returned or logged, and its addresses are
checked when it is stored and when it is used.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.function_limits import is_allowed, refusal
from nilometer_collector.alerting.receiver_fields import (
    SECRET_URL,
    Check,
    Field,
    check_plain_text,
    check_signing_key,
    check_token,
    service_url,
)
from nilometer_collector.alerting.receivers import ChannelDefinition, Kind
from nilometer_collector.alerting.routes import Patterns

MOST_TARGETS = 64
PYTHON = "python"  # kind of a target that is a function in the collector's environment
ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]{0,200}:[A-Za-z_]\w{0,100}", re.ASCII)


class TargetDefinition(ChannelDefinition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target as a user writes it.

    Attributes:
        name: Name of the target, unique in the collector. The target of a workspace has the form
            ``workspace/name``; it is for entities of this workspace only.
        kind: Kind of the receiver, such as ``github``.
        settings: Settings of the kind, as texts.
        secrets: Secrets of the kind, as texts.
        entities: Patterns of the entities whose actions may use it.
    """

    word: ClassVar[str] = "target"

    entities: Patterns = msgspec.field(default_factory=lambda: ["*"])

    @classmethod
    def kinds(cls) -> Mapping[str, Kind]:
        """Return the kinds that it may have."""
        return KINDS


def check_entry_point(target: TargetDefinition, allowed: tuple[str, ...]) -> None:
    """Refuse a Python function that the collector's settings do not allow.

    Args:
        target: Target whose names and values are checked.
        allowed: Patterns of functions that may run.

    Raises:
        ConfigError: If no pattern matches the function.
    """
    named = target.settings.get("entry_point", "")
    if target.kind == PYTHON and not is_allowed(named, allowed):
        raise ConfigError(f"target {target.name!r}: entry_point: {refusal(named)}")


def _matching(pattern: str, words: str) -> Check:
    known = re.compile(pattern, re.ASCII)

    def check(key: str, value: str, allowed: Allowed) -> None:
        del allowed
        if not known.fullmatch(value):
            raise ConfigError(f"{key} = {value[:128]!r}: must be {words}")

    return check


def _name(about: str, pattern: str, words: str, default: str = "") -> Field:
    return Field(
        about=about, check=_matching(pattern, words), is_required=not default, default=default
    )


def _secret(about: str, *, is_required: bool = True) -> Field:
    return Field(about=about, check=check_token, is_secret=True, is_required=is_required)


_SIGNING_KEY = Field(
    about="the key of the HMAC-SHA256 signature",
    check=check_signing_key,
    is_secret=True,
    is_required=True,
)
_DNS = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_DNS_WORDS = "a name in Kubernetes' form"

KINDS: Mapping[str, Kind] = {
    "webhook": Kind(fields={"url": SECRET_URL, "signing_key": _SIGNING_KEY}),
    "github": Kind(
        fields={
            "repository": _name(
                "the repository, owner/name",
                r"[A-Za-z0-9-]{1,100}/[A-Za-z0-9._-]{1,100}",
                "owner/name",
            ),
            "event_type": _name(
                "the type of the event", r"[\w .:-]{1,100}", "at most 100 characters", "nilometer"
            ),
            "token": _secret("a token that may write to the repository"),
            "url": service_url("https://api.github.com"),
        }
    ),
    "gitlab": Kind(
        fields={
            "project": _name("the id or path of the project", r"[\w./-]{1,255}", "an id or path"),
            "ref": _name("the branch or tag", r"[\w./-]{1,255}", "a branch or tag", "main"),
            "token": _secret("the token of a pipeline trigger"),
            "url": service_url("https://gitlab.com"),
        }
    ),
    "jenkins": Kind(
        fields={
            "url": Field(
                about="the URL of Jenkins",
                check=SECRET_URL.check,
                is_required=True,
                is_address=True,
            ),
            "job": _name("the job, folder/name", r"[\w .+-]+(/[\w .+-]+){0,9}", "folder/name"),
            "user": Field(
                about="the user of the API token", check=check_plain_text, is_required=True
            ),
            "token": _secret("the API token of this user"),
        }
    ),
    "argo_workflows": Kind(
        fields={
            "url": Field(
                about="the URL of the Argo server",
                check=SECRET_URL.check,
                is_required=True,
                is_address=True,
            ),
            "namespace": _name("the namespace", _DNS, _DNS_WORDS),
            "workflow_template": _name("the workflow template", _DNS, _DNS_WORDS),
            "token": _secret("the bearer token of a service account"),
        }
    ),
    "argo_events": Kind(
        fields={
            "url": SECRET_URL,
            "signing_key": _SIGNING_KEY,
            "token": _secret("the bearer token of the event source", is_required=False),
        }
    ),
    "kserve": Kind(
        fields={
            "url": SECRET_URL,
            "signing_key": _SIGNING_KEY,
            "namespace": _name("the namespace", _DNS, _DNS_WORDS),
            "inference_service": _name("the inference service", _DNS, _DNS_WORDS),
        }
    ),
    PYTHON: Kind(
        fields={
            "entry_point": _name(
                "the function, package.module:function",
                ENTRY_POINT.pattern,
                "package.module:function",
            ),
        }
    ),
}
