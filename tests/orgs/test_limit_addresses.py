"""A token that is bound to addresses works from them, however the server writes them."""

import pytest

from orgs.addresses import is_allowed


@pytest.mark.parametrize("ip", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"])
def test_an_address_of_a_network_is_allowed(ip: str) -> None:
    assert is_allowed(ip, ["192.0.2.1", "10.1.0.0/16", "2001:db8::/32"])


@pytest.mark.parametrize("ip", ["10.2.0.1", "::ffff:10.2.0.1", "2001:db9::7", "", "nonsense", None])
def test_any_other_is_not(ip: str | None) -> None:
    assert not is_allowed(ip, ["192.0.2.1", "10.1.0.0/16", "2001:db8::/32"])
