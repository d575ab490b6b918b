"""The receivers of a collector: the stored channels, and the one of its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition, has_no_guard
from nilometer_collector.channels.kinds import SENDERS
from nilometer_collector.channels.sending import Send
from nilometer_collector.channels.surroundings import LikelyCause, no_cause
from nilometer_collector.store import SETTINGS_ORIGIN, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """Where notifications may go.

    Attributes:
        own: Channel of the collector's settings; None without one.
        allowed: Addresses that receivers may have, besides public ones.
        page_url: Function that returns the URL of the pages, without a final slash.
        likely_cause: Function that returns the likely cause of episodes of one entity, one sentence;
            empty if it is unknown.
        has_links: Whether messages have signed links with which their readers decide about the
            episode.
        senders: Function that sends to each kind of receiver.
    """

    own: ChannelDefinition | None
    allowed: Allowed
    page_url: Callable[[], str]
    likely_cause: LikelyCause = no_cause
    has_links: bool = False
    senders: Mapping[str, Send] = field(default_factory=lambda: SENDERS)

    def all(self, store: Store) -> list[ChannelDefinition]:
        """List all channels that this version can read.

        A stored one takes precedence over the own one of the same name, also if it cannot be read.
        """
        stored = store.channels.all()
        if self.own is None or self.own.name in store.channels.contents():
            return stored
        return [*stored, self.own]

    def read(self, store: Store, name: str) -> ChannelDefinition | None:
        """Return the channel of this *name*; None if it does not exist, or a newer version wrote it."""
        found = store.channels.read(name)
        if found is None and self.own is not None and self.own.name == name:
            return None if name in store.channels.contents() else self.own
        return found

    def guards(self, store: Store, channel: ChannelDefinition) -> bool:
        """Return whether the addresses of a stored *channel* are checked when it sends.

        Only one of the settings may go without, whatever another one says.
        """
        return not has_no_guard(channel) or channel.name not in store.channels.named(
            SETTINGS_ORIGIN
        )
