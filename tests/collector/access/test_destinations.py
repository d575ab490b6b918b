"""The collector connects only to public and explicitly allowed addresses, in any notation."""

import ipaddress

import pytest
from support.addresses import INSIDE, NOTATIONS

from nilometer.settings.settings import checked
from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import (
    Allowed,
    Reach,
    addresses_of,
    known_refusal,
    reach_of,
)
from nilometer_collector.settings import CollectorSettings

PUBLIC = ["1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111"]
PUBLIC_INSIDE = ["::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_INSIDE])
def test_a_public_address_is_allowed(address: str) -> None:
    assert reach_of(ipaddress.ip_address(address)) is Reach.PUBLIC
    assert not Allowed().refusal("x.example", ipaddress.ip_address(address))


@pytest.mark.parametrize(("text", "reach"), INSIDE.items())
def test_an_inside_address_is_refused_until_its_range_is_allowed(text: str, reach: Reach) -> None:
    address = ipaddress.ip_address(text)
    assert reach_of(address) is reach
    assert f"a {reach.value} address" in Allowed().refusal("x.example", address)
    everywhere = Allowed.of("webhook_allow", ["0.0.0.0/0", "::/0"])
    assert not everywhere.refusal("x.example", address)


@pytest.mark.parametrize(("text", "reach"), INSIDE.items())
def test_a_name_allows_private_and_loopback_addresses_only(text: str, reach: Reach) -> None:
    allowed = Allowed.of("webhook_allow", ["Alertmanager.monitoring."])
    refused = reach not in {Reach.LOOPBACK, Reach.PRIVATE}
    address = ipaddress.ip_address(text)
    assert bool(allowed.refusal("alertmanager.monitoring", address)) is refused
    assert allowed.refusal("other.monitoring", address)


def test_a_range_allows_what_is_in_it() -> None:
    allowed = Allowed.of("webhook_allow", ["10.1.0.0/16", "fd00:1::/32", "192.168.7.7"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::9", "192.168.7.7"):
        assert not allowed.refusal("x", ipaddress.ip_address(address))
    for address in ("10.2.0.1", "fd00:2::9", "192.168.7.8"):
        assert allowed.refusal("x", ipaddress.ip_address(address))


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "", "*", "a b", "https://x", "10.0.0.0/33", "é"])
def test_an_entry_that_is_neither_name_nor_range_stops_the_start(entry: str) -> None:
    with pytest.raises(ConfigError, match="webhook_allow = "):
        checked(CollectorSettings, {"webhook_allow": [entry]})


@pytest.mark.parametrize("host", NOTATIONS)
def test_a_setting_that_names_an_inside_address_stops_the_start(host: str) -> None:
    with pytest.raises(ConfigError, match=r"slack_webhook_url = .* in webhook_allow") as caught:
        checked(CollectorSettings, {"slack_webhook_url": f"https://{host}/s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_setting_may_name_what_is_allowed() -> None:
    for url, entry in (
        ("http://127.0.0.1:9/x", "127.0.0.0/8"),
        ("http://localhost:9/x", "localhost"),
        ("https://10.0.0.1/x", "10.0.0.1"),
        ("https://169.254.169.254/x", "169.254.169.254/32"),
    ):
        told = {"slack_webhook_url": url, "webhook_allow": [entry]}
        assert checked(CollectorSettings, told).own_channel


def test_the_start_looks_no_name_up() -> None:
    assert not known_refusal("x.invalid", Allowed())
    with pytest.raises(OSError, match="known"):
        addresses_of("x.invalid", numeric=True)


def test_a_user_in_the_url_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="a user name or a password") as caught:
        checked(
            CollectorSettings, {"slack_webhook_url": "https://hooks.slack.com:s3cret@x.example/"}
        )
    assert "s3cret" not in str(caught.value)
