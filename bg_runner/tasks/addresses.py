"""Which network addresses a browser task may not reach, as `block_addresses` says."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Policy = Literal["none", "link-local", "private"]
Address = IPv4Address | IPv6Address

# Link-local, and where clouds answer questions about the machine and its credentials (AWS, Azure, Alibaba, Oracle).
METADATA: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    )
)
METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
NAT64 = ip_network("64:ff9b::/96")


def blocked_name(host: str, policy: Policy) -> bool:
    """Whether a host name is refused without asking what it resolves to."""
    return policy != "none" and host.rstrip(".").lower() in METADATA_NAMES


def blocked_address(text: str, policy: Policy) -> bool:
    """Whether `text`, an IP address, is refused. Raises: ValueError if it is none."""
    if policy == "none":
        return False
    return any(_blocked(address, policy) for address in _forms(ip_address(text.partition("%")[0].strip("[]"))))


def _blocked(address: Address, policy: Policy) -> bool:
    if any(address in network for network in METADATA if network.version == address.version):
        return True
    return policy == "private" and (not address.is_global or address.is_multicast)


def _forms(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 one inside it when a translator would reach that."""
    yield address
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64 or int(address) >> 32 == 0:
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
        # `::` and `::1` look like IPv4 in IPv6; they are the machine itself.
        yield from (found for found in inner if found is not None and int(address) > 1)
