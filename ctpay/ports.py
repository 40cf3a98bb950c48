"""The ports that `ctpay run` and `ctpay demo` use on this machine, all of them on 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

HOST: Final = "127.0.0.1"
_PORT_MAX: Final = 65_535


class PortError(Exception):
    """A port cannot be used. The text names the variable that chooses another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """One for each thing that listens."""

    #: The demo shop: the address that `ctpay run` prints.
    shop: int
    ingress: int
    commercetools: int
    psp: int
    pubsub: int


#: Field of `Ports` -> the variable that sets it.
VARIABLES: Final[Mapping[str, str]] = {
    "shop": "SHOP_PORT",
    "ingress": "PORT",
    "commercetools": "COMMERCETOOLS_PORT",
    "psp": "PSP_PORT",
    "pubsub": "PUBSUB_PORT",
}
USUAL: Final = Ports(shop=8000, ingress=8080, commercetools=8081, psp=8082, pubsub=8085)


def chosen(environment: Mapping[str, str]) -> Ports:
    """The usual ports, or those that the environment names, if they are free. Raises PortError for every fault."""
    faults: list[str] = []
    found: dict[str, int] = {}
    for name, usual in asdict(USUAL).items():
        variable = VARIABLES[name]
        text = environment.get(variable, "") or str(usual)
        if not text.isdecimal() or not 0 < int(text) <= _PORT_MAX:
            faults.append(f"{variable} is no port: set it to a number from 1 to {_PORT_MAX}.")
            continue
        port = int(text)
        taken = next((VARIABLES[other] for other, its in found.items() if its == port), None)
        if taken is not None:
            faults.append(f"{variable} and {taken} are both {port}: set one of them to another port.")
        elif not _is_free(port):
            faults.append(f"Port {port} is taken by another program: set {variable} to a free one.")
        found[name] = port
    if faults:
        raise PortError("\n".join(faults))
    return Ports(**found)


def free() -> Ports:
    """Ports that nobody uses at this moment. Somebody may take one before we do; then the start fails and says so."""
    with contextlib.ExitStack() as held:
        numbers = iter([held.enter_context(_bound(0)).getsockname()[1] for _ in VARIABLES])
        return Ports(**{name: next(numbers) for name in VARIABLES})


def _is_free(port: int) -> bool:
    try:
        with _bound(port):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    with socket.socket() as one:
        # As servers do it, so that a port of a server that has just stopped counts as free.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((HOST, port))
        yield one
