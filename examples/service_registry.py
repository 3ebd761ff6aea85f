"""Who serves what, and where: records that expire unless they are renewed.

There is no list of keys to ask for, so a service has a fixed number of places, and an instance
takes the one of its number. Two instances of one number would share a place: give each its own.

    python examples/service_registry.py --via 127.0.0.1:4100 serve mail 0 10.0.0.7:25
    python examples/service_registry.py --via 127.0.0.1:4100 find mail
"""

import argparse
import time
from typing import Protocol

from p2pcore import ClientConfig, KeyNotFoundError, P2PError
from p2pcore.blocking import Client

PLACES = 8  # instances of one service
TTL_S = 15.0  # an instance that dies is forgotten after this time at the latest
RENEW_S = TTL_S / 3  # two renewals may fail


class Records(Protocol):
    """What the registry needs: `p2pcore.blocking.Client` has it, and a simulated client, too."""

    def store(self, key: str, value: bytes, *, ttl_s: float | None = None) -> object: ...

    def retrieve(self, key: str) -> bytes: ...

    def delete(self, key: str) -> object: ...


class Registry:
    """Services and their instances."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def register(self, service: str, number: int, address: str) -> None:
        """Instance `number` of this service is at `address` for the next TTL_S seconds.

        Raises:
            ValueError: a service has no place of this number.
            P2PError: it is not known whether it is registered.
        """
        if not 0 <= number < PLACES:
            raise ValueError(f"an instance has a number of 0 to {PLACES - 1}, not {number}")
        self._records.store(_place(service, number), address.encode(), ttl_s=TTL_S)

    def leave(self, service: str, number: int) -> None:
        """The instance is gone, and nobody has to wait until its record expires."""
        self._records.delete(_place(service, number))

    def instances(self, service: str) -> dict[int, str]:
        """The addresses of those that are registered now, by their numbers."""
        found = {}
        for number in range(PLACES):
            try:
                found[number] = self._records.retrieve(_place(service, number)).decode()
            except KeyNotFoundError:
                continue
        return found


def _place(service: str, number: int) -> str:
    return f"services/{service}/{number}"


def stay(registry: Registry, service: str, number: int, address: str) -> None:
    """Be registered until Ctrl-C."""
    try:
        while True:
            try:
                registry.register(service, number, address)
            except P2PError as error:
                print(f"not renewed: {error}", flush=True)
            else:
                print(f"registered {service} {number} at {address}", flush=True)
            time.sleep(RENEW_S)
    except KeyboardInterrupt:
        registry.leave(service, number)


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--via", action="append", required=True)
    what = words.add_subparsers(dest="what", required=True)
    serve, find = what.add_parser("serve"), what.add_parser("find")
    for each in (serve, find):
        each.add_argument("service")
    serve.add_argument("number", type=int)
    serve.add_argument("address")
    args = words.parse_args()
    with Client(ClientConfig(bootstrap=args.via)) as client:
        registry = Registry(client)
        if args.what == "serve":
            stay(registry, args.service, args.number, args.address)
        else:
            for number, address in registry.instances(args.service).items():
                print(number, address)


if __name__ == "__main__":
    main()
