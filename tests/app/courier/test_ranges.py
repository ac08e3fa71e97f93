from ipaddress import ip_address

import pytest

from app.courier.ranges import is_public

REFUSED = {
    "this host": ["0.0.0.0", "0.1.2.3"],  # noqa: S104 - judged, not listened on
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fd12::1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "unspecified": ["::"],
    "link-local": ["169.254.169.254", "169.254.0.1", "fe80::1"],
    "metadata": ["168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"],
    "carriers' NAT": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "100::1", "4000::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:8.8.8.8"],
    "IPv4-compatible": ["::127.0.0.1"],
    "NAT64": ["64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "192.88.99.3"],
    "Teredo": ["2001::1", "2001:0:53aa:64c::1"],
    "ORCHID": ["2001:10::1", "2001:20::1"],
    "SRv6": ["5f00::1"],
    "site-local": ["fec0::1"],
    "AS112 and AMT": ["192.31.196.1", "192.175.48.1", "192.52.193.1", "2620:4f:8000::1"],
}
PUBLIC = ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1"]
PUBLIC += ["172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"]
PUBLIC += ["2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "3ffe::1"]


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, each) for kind, all_of_it in REFUSED.items() for each in all_of_it]
)
def test_no_special_address_passes_for_a_public_one(kind: str, address: str) -> None:
    assert not is_public(ip_address(address)), kind


@pytest.mark.parametrize("address", PUBLIC)
def test_the_neighbours_of_the_special_ranges_are_public(address: str) -> None:
    assert is_public(ip_address(address))
