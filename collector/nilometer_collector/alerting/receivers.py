"""Channels: named receivers of notifications, as users define them, and the kinds of receivers.

A channel has settings, which everybody with access may read, and secrets, which are never returned or
logged. Both are texts. Its kind lists the names that it knows, and checks their values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from nilometer.values.errors import ConfigError
from nilometer.values.nearest import did_you_mean
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.access.secret import shown_url
from nilometer_collector.access.workspaces import OwnedName
from nilometer_collector.alerting.apprise_urls import check_apprise_url
from nilometer_collector.alerting.receiver_fields import (
    NOT_SHOWN,
    SECRET_URL,
    Field,
    check_mail_address,
    check_mail_addresses,
    check_nothing,
    check_password,
    check_plain_text,
    check_plain_url,
    check_server,
    check_signing_key,
    check_token,
    one_of,
    service_url,
)
from nilometer_collector.alerting.template import TemplateError
from nilometer_collector.alerting.template_samples import check_template

MOST_CHANNELS = 64
MOST_ROUTES = 256
MOST_TEXT = 2048  # longest setting or secret, except a template
JSON = "application/json"
# Receivers of single events take about 120 a minute.
EVENTS_BURST = 60
EVENTS_PACE_SECONDS = 1.0
FILE_SUFFIX = "_file"  # a secret of a settings file may name a file instead

GUARD = "guard"  # setting with which a channel of the settings file may switch the check off
EVERYWHERE = Allowed.of(GUARD, ["0.0.0.0/0", "::/0"])

_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"

ObjectName: TypeAlias = Annotated[str, Meta(pattern=_NAME)]


class ChannelDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel as a user writes it.

    Attributes:
        name: Name of the channel, unique in the collector. The channel of a workspace has the form
            ``workspace/name``.
        kind: Kind of the receiver, such as ``slack``.
        settings: Settings of the kind, as texts.
        secrets: Secrets of the kind, as texts.
    """

    word: ClassVar[str] = "channel"  # how errors name one

    name: OwnedName
    kind: str
    settings: dict[str, str] = {}
    secrets: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r})"

    @classmethod
    def kinds(cls) -> "Mapping[str, Kind]":
        """Return the kinds that it may have."""
        return KINDS

    def shown(self) -> Self:
        """Return it with a public text in place of each secret."""
        kind = self.kinds().get(self.kind)
        fields = {} if kind is None else kind.fields
        secrets = {
            name: shown_url(value) if name in fields and fields[name].is_address else NOT_SHOWN
            for name, value in self.secrets.items()
        }
        return msgspec.structs.replace(self, secrets=secrets)


D = TypeVar("D", bound=ChannelDefinition)


def with_secret_files(channel: D) -> D:
    """Return *channel* with the content of each file that a secret such as ``url_file`` names.

    Only a settings file may name files. A client of the API could otherwise have them sent to itself.

    Raises:
        ConfigError: If a file cannot be read; the message names the channel and the file. It does not
            repeat a URL, which somebody may have written in place of a file.
    """
    secrets = {}
    for name, value in channel.secrets.items():
        if not name.endswith(FILE_SUFFIX):
            secrets[name] = value
            continue
        if "://" in value:
            raise ConfigError(
                f"channel {channel.name!r}: {name}: must be the path of a file, not a URL"
            )
        try:
            secrets[name.removesuffix(FILE_SUFFIX)] = Path(value).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{channel.word} {channel.name!r}: {name} = {value[:256]!r}: cannot be read: {error}"
            ) from error
    return msgspec.structs.replace(channel, secrets=secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of receiver.

    Attributes:
        fields: Its settings and secrets by name.
        is_grouping: Whether one message may tell several episodes. A receiver that keeps an incident
            for each episode gets a message for each.
        burst: Most messages without a pause.
        pace_seconds: Interval of further messages, within the receiver's limits.
        acknowledges: Whether it is told that somebody has acknowledged an episode.
        tells_actions: Whether it is told about actions: a request for approval, and an outcome.
        repeat_seconds: Interval at which it is told again of open episodes; 0 for never.
    """

    fields: Mapping[str, Field]
    is_grouping: bool = True
    burst: int = 10
    pace_seconds: float = 3.0
    acknowledges: bool = False
    tells_actions: bool = False
    repeat_seconds: float = 0.0


def check_channel(
    channel: ChannelDefinition, allowed: Allowed, *, is_of_settings: bool = False
) -> None:
    """Refuse a channel that this collector cannot use. Errors show no secret.

    Args:
        channel: Channel with its secrets.
        allowed: Addresses that receivers may have, besides public ones.
        is_of_settings: Whether it stands in the collector's own settings file.

    Raises:
        ConfigError: The message names the channel, the field and what is allowed.
    """
    check_names(channel)
    check_values(channel, allowed, is_of_settings=is_of_settings)


def check_names(channel: ChannelDefinition) -> None:
    """Refuse an unknown kind, and settings and secrets that its kind does not know or lacks.

    Raises:
        ConfigError: The message names the channel, the field and what is allowed.
    """
    key, kinds = f"{channel.word} {channel.name!r}", channel.kinds()
    kind = kinds.get(channel.kind)
    if kind is None:
        hint = did_you_mean(channel.kind[:64], kinds)
        raise ConfigError(
            f"{key}: kind = {channel.kind[:64]!r}: must be one of {', '.join(kinds)}{hint}"
        )
    for part, is_secret in ((channel.settings, False), (channel.secrets, True)):
        where = "secrets" if is_secret else "settings"
        for name in part:
            field = kind.fields.get(name)
            if field is None or field.is_secret is not is_secret:
                known = [one for one, f in kind.fields.items() if f.is_secret is is_secret]
                raise ConfigError(
                    f"{key}: {where}: {channel.kind} has no {name[:64]!r}: it has "
                    f"{', '.join(known) or 'none'}"
                )
    given = channel.settings.keys() | channel.secrets.keys()
    for name, field in kind.fields.items():
        if field.is_required and name not in given:
            where = "secrets" if field.is_secret else "settings"
            raise ConfigError(f"{key}: {where}: needs {name!r}, {field.about}")


def check_values(
    channel: ChannelDefinition, allowed: Allowed, *, is_of_settings: bool = False
) -> None:
    """Refuse values that this collector does not accept, such as a forbidden address.

    Args:
        channel: Channel whose names are checked.
        allowed: Addresses that receivers may have, besides public ones.
        is_of_settings: Whether it stands in the collector's own settings file. Only such a channel
            may switch the check of addresses off: they are the operator's to open.

    Raises:
        ConfigError: The message names the channel, the field and what is allowed.
    """
    fields = channel.kinds()[channel.kind].fields
    if has_no_guard(channel):
        if not is_of_settings:
            raise ConfigError(
                f"{channel.word} {channel.name!r}: {GUARD} = 'off': may stand only under "
                "[[collector.channels]] in the collector's own settings file"
            )
        allowed = EVERYWHERE
    for name, value in {**channel.settings, **channel.secrets}.items():
        key = f"{channel.word} {channel.name!r}: {name}"
        if len(value) > MOST_TEXT and name != "template":
            raise ConfigError(f"{key}: must be at most {MOST_TEXT} characters")
        fields[name].check(key, value, allowed)
    if source := channel.settings.get("template"):
        media_type = channel.settings.get("content_type", fields["content_type"].default)
        try:
            check_template(source, is_json=media_type == JSON)
        except TemplateError as error:
            raise ConfigError(f"channel {channel.name!r}: template: {error}") from error


def has_no_guard(channel: ChannelDefinition) -> bool:
    """Return whether *channel* says that the addresses of its receiver are not checked."""
    return channel.settings.get(GUARD) == "off"


def goes_elsewhere(channel: ChannelDefinition, stored: ChannelDefinition) -> bool:
    """Return whether *channel* sends to another address, or in another way, than *stored*.

    An address that is a secret must be in its public form. If its text were compared, the answer
    would say whether somebody has guessed it.
    """
    kind, shown = channel.kinds().get(channel.kind), stored.shown()
    return (
        kind is None
        or stored.kind != channel.kind
        or any(
            channel.settings.get(name) != stored.settings.get(name)
            or channel.secrets.get(name) != shown.secrets.get(name)
            for name, field in kind.fields.items()
            if field.is_address
        )
    )


def with_stored_secrets(channel: D, stored: D | None) -> D:
    """Return *channel* with the stored secrets where it repeats their public text.

    So a channel that was read can be changed and sent back. A secret is only taken over if nothing
    changes about where messages go: otherwise it could be sent to another host.
    """
    if stored is None or goes_elsewhere(channel, stored):
        return channel
    shown = stored.shown()
    secrets = {
        name: stored.secrets[name]
        if name in stored.secrets and value == shown.secrets[name]
        else value
        for name, value in channel.secrets.items()
    }
    return msgspec.structs.replace(channel, secrets=secrets)


KINDS: Mapping[str, Kind] = {
    "slack": Kind(fields={"url": SECRET_URL}, tells_actions=True),
    "teams": Kind(fields={"url": SECRET_URL}, tells_actions=True),
    "webhook": Kind(
        tells_actions=True,
        fields={
            "url": SECRET_URL,
            "signing_key": Field(
                about="the key of the HMAC-SHA256 signature",
                check=check_signing_key,
                is_secret=True,
            ),
            "template": Field(about="the body, as a template", check=check_nothing),
            "content_type": Field(
                about="the media type of the template's result",
                check=one_of(JSON, "text/plain"),
                default=JSON,
            ),
        },
    ),
    "pagerduty": Kind(
        fields={
            "routing_key": Field(
                about="the integration key", check=check_token, is_secret=True, is_required=True
            ),
            "url": service_url("https://events.pagerduty.com"),
        },
        is_grouping=False,
        burst=EVENTS_BURST,
        pace_seconds=EVENTS_PACE_SECONDS,
        acknowledges=True,
    ),
    "opsgenie": Kind(
        fields={
            "api_key": Field(
                about="the key of the integration",
                check=check_token,
                is_secret=True,
                is_required=True,
            ),
            "url": service_url("https://api.opsgenie.com"),
        },
        is_grouping=False,
        burst=EVENTS_BURST,
        pace_seconds=EVENTS_PACE_SECONDS,
        acknowledges=True,
    ),
    "apprise": Kind(
        tells_actions=True,
        fields={
            "url": Field(
                about="the URL in the form of Apprise",
                check=check_apprise_url,
                is_secret=True,
                is_required=True,
                is_address=True,
            ),
            GUARD: Field(
                about="whether the addresses of the receiver are checked",
                check=one_of("on", "off"),
                default="on",
            ),
        },
    ),
    "alertmanager": Kind(
        fields={
            "url": Field(
                about="the URL of Alertmanager",
                check=check_plain_url,
                is_required=True,
                is_address=True,
            ),
        },
        repeat_seconds=60.0,
    ),
    "email": Kind(
        tells_actions=True,
        fields={
            "server": Field(
                about="host:port of the mail server",
                check=check_server,
                is_required=True,
                is_address=True,
            ),
            "tls": Field(
                about="how the connection is encrypted",
                check=one_of("starttls", "tls"),
                default="starttls",
            ),
            "from": Field(
                about="the address of the sender", check=check_mail_address, is_required=True
            ),
            "to": Field(
                about="the addresses of the recipients",
                check=check_mail_addresses,
                is_required=True,
            ),
            "username": Field(about="the user at the mail server", check=check_plain_text),
            "password": Field(
                about="the password of this user", check=check_password, is_secret=True
            ),
        },
    ),
}
