"""Which addresses a token may be used from; the proxy and the APIs ask the same function."""

from ipaddress import IPv6Address, ip_address, ip_network


def is_allowed(ip: str | None, networks: list[str]) -> bool:
    """Say whether an address lies in one of the networks; an unreadable one never does."""
    try:
        address = ip_address(ip or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in networks)
