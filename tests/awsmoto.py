"""moto's server, whose instances get addresses that this machine can reach: python -m tests.awsmoto

The addresses of AWS's private networks and of the internet are replaced by those of two networks of this
machine, MOTO_PRIVATE and MOTO_PUBLIC; host numbers below FIRST are for routers. All else is moto.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from itertools import islice
from typing import TYPE_CHECKING, Any

from moto import server
from moto.ec2.models import elastic_network_interfaces, subnets

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 10


def addresses(network: str) -> Iterator[str]:
    """Each once: an address that was somebody's is never another's."""
    return map(str, islice(IPv4Network(network).hosts(), FIRST - 1, None))


def hand_out(private: str, public: str) -> None:
    """From now on instances have addresses of these networks."""
    inside, outside = addresses(private), addresses(public)

    def take(subnet: Any, instance: Any) -> str:
        address = next(inside)
        subnet._subnet_ips[address] = instance
        return address

    subnets.Subnet.get_available_subnet_ip = take
    elastic_network_interfaces.random_public_ip = lambda: next(outside)


if __name__ == "__main__":
    hand_out(os.environ["MOTO_PRIVATE"], os.environ["MOTO_PUBLIC"])
    server.main()
