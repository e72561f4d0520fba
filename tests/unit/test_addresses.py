"""Which addresses browser tasks may not reach."""

from __future__ import annotations

import pytest

from bg_runner.tasks.addresses import Policy, blocked_address, blocked_name

EVERYWHERE = ["8.8.8.8", "2606:4700::1111", "93.184.216.34"]
LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::169.254.169.254",
]
PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "100.64.0.1",
    "fc00::1",
    "fd12::1",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "240.0.0.1",
]


@pytest.mark.parametrize("address", EVERYWHERE)
def test_the_internet_is_open(address: str) -> None:
    assert not any(blocked_address(address, policy) for policy in ("none", "link-local", "private"))


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_link_local_and_metadata(address: str) -> None:
    assert not blocked_address(address, "none")
    assert blocked_address(address, "link-local")
    assert blocked_address(address, "private")


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    assert not blocked_address(address, "link-local")
    assert blocked_address(address, "private")


@pytest.mark.parametrize("policy", ["link-local", "private"])
def test_names_of_metadata_services(policy: Policy) -> None:
    assert blocked_name("Metadata.Google.Internal.", policy)
    assert not blocked_name("metadata.google.internal", "none")
    assert not blocked_name("example.com", policy)


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        blocked_address("example.com", "private")
