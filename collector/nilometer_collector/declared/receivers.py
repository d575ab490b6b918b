"""Declared channels and targets. A definition names a secret by its fingerprint, never by its text."""

import hashlib
import hmac
import re
from abc import abstractmethod
from typing import Annotated, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.values.errors import ConfigError
from nilometer_collector.access.workspaces import OwnedName
from nilometer_collector.alerting.receivers import (
    ChannelDefinition,
    check_channel,
    goes_elsewhere,
)
from nilometer_collector.alerting.routes import Patterns
from nilometer_collector.alerting.targets import TargetDefinition, check_entry_point
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import (
    Kind,
    Misdeclared,
    Plain,
    as_stored,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.store import API_ORIGIN, Command, Key, RemoveReceiver, SetReceiver, Store
from nilometer_collector.store.written import Unread, read_content

FINGERPRINT_CHARACTERS = 16  # 64 bits in hexadecimal
GIVE_IT = "give a file or a variable that has it"
# A fingerprint that a dry run showed would say whether a text is an earlier secret.
NOT_COMPUTED = "not computed in a dry run"
# The key in ``channel 'team': url: is a private address``.
_PLACE = re.compile(r"^\w+ '[^']*': ((\w+)\b.*)", re.DOTALL)


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The secret that is stored already.

    Attributes:
        fingerprint: HMAC of the secret with a key of the installation, cut to 64 bits. It says
            whether a secret has changed, and nothing about its text.
    """

    fingerprint: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{FINGERPRINT_CHARACTERS}}}$")]


SecretText: TypeAlias = str | StoredSecret


class ReceiverObject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel or a target in a document. Each secret is its text, or the one that is stored."""

    name: OwnedName
    kind: str
    settings: dict[str, str] = {}
    secrets: dict[str, SecretText] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r})"


class TargetObject(ReceiverObject, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target in a document.

    Attributes:
        entities: Patterns of the entities whose actions may use it.
    """

    entities: Patterns = msgspec.field(default_factory=lambda: ["*"])


class _Completed(ReceiverObject, frozen=True, kw_only=True):
    """A checked receiver with the text of each secret, and the fingerprints of all of them."""

    receiver: ChannelDefinition
    fingerprints: dict[str, str]
    uncompared: list[str] = []  # secrets that are given as text, and not compared with stored ones


class ReceiverObjects(Kind[ReceiverObject]):
    """Channels or targets. They belong to no entity.

    Attributes:
        receiver: Structure that the store keeps.
    """

    definition = ReceiverObject
    is_for_all = True
    receiver: ClassVar[type[ChannelDefinition]]

    @abstractmethod
    def contents(self, store: Store) -> dict[str, str]:
        """Return the stored text of each receiver of this kind by name."""

    def with_secrets(self, definition: ReceiverObject, texts: dict[str, str]) -> ChannelDefinition:
        """Return what the store keeps of *definition*, with the text of each secret."""
        return self.receiver(
            name=definition.name, kind=definition.kind, settings=definition.settings, secrets=texts
        )

    @abstractmethod
    def read(self, store: Store, name: str) -> ChannelDefinition | None:
        """Return the stored receiver of this name; None if there is none."""

    def key(self, definition: ReceiverObject) -> Key:
        """Return the identity of the receiver."""
        return Key(self.name, "", definition.name)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity; a receiver needs only its name."""
        del entity
        return Key(self.name, "", name)

    def completed(self, definition: ReceiverObject, context: DeclareContext) -> ReceiverObject:
        """Return the definition with its stored secrets; refuse what this collector does not allow."""
        refuse_controls(msgspec.structs.replace(definition, settings={}, secrets={}))
        key = context.store.links_key
        is_kept = any(not isinstance(one, str) for one in definition.secrets.values())
        is_asked = is_kept or context.is_dry_run
        stored = self.read(context.store, definition.name) if is_asked else None
        receiver = self._with_texts(definition, stored, key)
        try:
            check_channel(receiver, context.addresses)
            if isinstance(receiver, TargetDefinition):
                check_entry_point(receiver, context.functions)
        except ConfigError as error:
            raise _placed(error, receiver) from error
        fingerprints = fingerprints_of(receiver, key)
        uncompared = [
            name
            for name, given in definition.secrets.items()
            if isinstance(given, str) and context.is_dry_run
        ]
        if uncompared:
            kept = {} if stored is None else fingerprints_of(stored, key)
            fingerprints |= {name: kept.get(name, NOT_COMPUTED) for name in uncompared}
        return _Completed(
            name=receiver.name,
            kind=receiver.kind,
            settings=receiver.settings,
            receiver=receiver,
            fingerprints=fingerprints,
            uncompared=[name for name in uncompared if fingerprints[name] != NOT_COMPUTED],
        )

    def unseen(self, definition: ReceiverObject) -> list[str]:
        """Return a sentence for each secret whose text a dry run does not compare."""
        return [
            f"secrets.{name}: a dry run does not compare this secret with the stored one"
            for name in (definition.uncompared if isinstance(definition, _Completed) else ())
        ]

    def checked(self, definition: ReceiverObject) -> Plain:
        """Return the definition with a fingerprint in place of each secret.

        Args:
            definition: Definition that `completed` returned.
        """
        if not isinstance(definition, _Completed):
            raise TypeError("a receiver must be completed before it is checked")
        return _plain(definition.receiver, definition.fingerprints)

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all receivers; those of one entity are none."""
        if entity not in {None, ""}:
            return {}
        found = {}
        for name, content in self.contents(store).items():
            read, key = read_content(content, self.receiver), self.key_named("", name)
            found[key] = (
                self._without_secrets(key, content, store.links_key)
                if isinstance(read, Unread)
                else plain_receiver(read, store.links_key)
            )
        return found

    def put(self, definition: ReceiverObject) -> Command:
        """Return the command that creates or replaces the receiver."""
        if not isinstance(definition, _Completed):
            raise TypeError("a receiver must be completed before it is put")
        return SetReceiver(definition.receiver, API_ORIGIN)

    def remove(self, key: Key) -> Command:
        """Return the command that deletes the receiver."""
        return RemoveReceiver(self.receiver, key.name)

    def _without_secrets(self, key: Key, content: str, links_key: bytes) -> Plain:
        """Return the receiver of a newer version with a fingerprint in place of each secret."""
        plain = as_stored(key, content)
        secrets = plain.get("secrets", {})
        if not isinstance(secrets, dict):
            return {name: value for name, value in plain.items() if name != "secrets"}
        texts = {
            name: one if isinstance(one, str) else msgspec.json.encode(one).decode()
            for name, one in secrets.items()
        }
        shown = {
            name: {"fingerprint": _fingerprint(links_key, self.name, key.name, name, text)}
            for name, text in texts.items()
        }
        return {**plain, "secrets": shown}

    def _with_texts(
        self, definition: ReceiverObject, stored: ChannelDefinition | None, key: bytes
    ) -> ChannelDefinition:
        """Return the receiver with the text of each secret.

        A stored secret is only used if each secret address is the stored one by its fingerprint.
        Else the answer would say whether the text of an address is the stored one.

        Raises:
            Misdeclared: If a secret is not stored, or would be sent to another address.
        """
        is_same_kind = stored is not None and stored.kind == definition.kind
        known = stored.secrets if stored is not None and is_same_kind else {}
        texts: dict[str, str] = {}
        told: dict[str, str] = {}  # with public texts in place of stored secrets
        for name, given in definition.secrets.items():
            if isinstance(given, str):
                texts[name] = told[name] = given
                continue
            place = f"secrets.{name}"
            text = known.get(name)
            if text is None or not hmac.compare_digest(
                _fingerprint(key, self.name, definition.name, name, text), given.fingerprint
            ):
                raise Misdeclared(f"{place}: this secret is not stored: {GIVE_IT}", place)
            texts[name] = text
        shown = {} if stored is None else stored.shown().secrets
        told |= {name: shown[name] for name in definition.secrets.keys() - told.keys()}
        is_kept = any(not isinstance(given, str) for given in definition.secrets.values())
        elsewhere = stored is not None and goes_elsewhere(
            self.with_secrets(definition, told), stored
        )
        receiver = self.with_secrets(definition, texts)
        if is_kept and elsewhere:
            raise Misdeclared(
                f"secrets: a stored secret is not sent to another address: {GIVE_IT}", "secrets"
            )
        return receiver


class ChannelObjects(ReceiverObjects):
    """Channels of notifications."""

    name = ChannelDefinition.word
    plural = "channels"
    receiver = ChannelDefinition

    def contents(self, store: Store) -> dict[str, str]:
        """Return the stored text of each channel by name."""
        return store.channels.contents()

    def unread(self, store: Store) -> dict[Key, Unread]:
        """Return why this version cannot read a channel, for each that it cannot read."""
        return {self.key_named("", name): one for name, one in store.channels.unread().items()}

    def read(self, store: Store, name: str) -> ChannelDefinition | None:
        """Return the stored channel of this name; None if there is none."""
        return store.channels.read(name)


class TargetObjects(ReceiverObjects):
    """Targets of actions."""

    name = TargetDefinition.word
    plural = "targets"
    definition = TargetObject
    receiver = TargetDefinition

    def with_secrets(self, definition: ReceiverObject, texts: dict[str, str]) -> ChannelDefinition:
        """Return what the store keeps of *definition*, with the text of each secret."""
        if not isinstance(definition, TargetObject):
            raise TypeError("a target is a TargetObject")
        return TargetDefinition(
            name=definition.name,
            kind=definition.kind,
            settings=definition.settings,
            secrets=texts,
            entities=definition.entities,
        )

    def contents(self, store: Store) -> dict[str, str]:
        """Return the stored text of each target by name."""
        return store.targets.contents()

    def unread(self, store: Store) -> dict[Key, Unread]:
        """Return why this version cannot read a target, for each that it cannot read."""
        return {self.key_named("", name): one for name, one in store.targets.unread().items()}

    def read(self, store: Store, name: str) -> ChannelDefinition | None:
        """Return the target of this name; None if there is none."""
        return store.targets.read(name)


def fingerprints_of(receiver: ChannelDefinition, key: bytes) -> dict[str, str]:
    """Return the fingerprint of each secret of *receiver* by its name.

    Args:
        receiver: Channel or target with the texts of its secrets.
        key: Key of the installation. Without it, nobody can try out likely secrets.
    """
    return {
        name: _fingerprint(key, receiver.word, receiver.name, name, text)
        for name, text in receiver.secrets.items()
    }


def _fingerprint(key: bytes, word: str, receiver: str, name: str, text: str) -> str:
    said = f"secret\n{word}\n{receiver}\n{name}\n{text}".encode("utf-8", "surrogatepass")
    return hmac.new(key, said, hashlib.sha256).hexdigest()[:FINGERPRINT_CHARACTERS]


def plain_receiver(receiver: ChannelDefinition, key: bytes) -> Plain:
    """Return the definition of a stored *receiver* as JSON values, with fingerprints of its secrets.

    Args:
        receiver: Channel or target with the texts of its secrets.
        key: Key of the installation.
    """
    return _plain(receiver, fingerprints_of(receiver, key))


def _plain(receiver: ChannelDefinition, fingerprints: dict[str, str]) -> Plain:
    shown = {name: StoredSecret(fingerprint=one) for name, one in fingerprints.items()}
    return without_defaults(object_of(receiver, {**shown}))


def object_of(receiver: ChannelDefinition, secrets: dict[str, SecretText]) -> ReceiverObject:
    """Return *receiver* as a document has it, with *secrets*."""
    if isinstance(receiver, TargetDefinition):
        return TargetObject(
            name=receiver.name,
            kind=receiver.kind,
            settings=receiver.settings,
            secrets=secrets,
            entities=receiver.entities,
        )
    return ReceiverObject(
        name=receiver.name, kind=receiver.kind, settings=receiver.settings, secrets=secrets
    )


def _placed(error: ConfigError, receiver: ChannelDefinition) -> Misdeclared:
    """Return *error* with the place of the setting or the secret that it names."""
    kind, found = receiver.kinds().get(receiver.kind), _PLACE.match(str(error))
    why, name = (found[1], found[2]) if found else (str(error), "")
    if kind is None or name not in kind.fields:
        return Misdeclared(why, name if name in ReceiverObject.__struct_fields__ else "name")
    place = "secrets" if kind.fields[name].is_secret else "settings"
    return Misdeclared(f"{place}.{why}", f"{place}.{name}")
