from __future__ import annotations

import socket
from dataclasses import asdict

import pytest

from ctpay.ports import VARIABLES, PortError, Ports, chosen, free


def environment() -> dict[str, str]:
    return {VARIABLES[name]: str(port) for name, port in asdict(free()).items()}


def test_free_ports_are_free_and_differ():
    ports = asdict(free())
    assert len(set(ports.values())) == len(VARIABLES)
    for port in ports.values():
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_the_environment_chooses_every_port():
    wanted = environment()
    assert chosen(wanted) == Ports(**{name: int(wanted[variable]) for name, variable in VARIABLES.items()})


def test_every_taken_port_is_named_with_the_variable_that_moves_it():
    wanted = environment()
    with socket.socket() as one, socket.socket() as other:
        for held, variable in ((one, "SHOP_PORT"), (other, "PSP_PORT")):
            held.bind(("127.0.0.1", int(wanted[variable])))
            held.listen()
        with pytest.raises(PortError) as caught:
            chosen(wanted)
    assert str(caught.value).count("\n") == 1
    assert "SHOP_PORT" in str(caught.value)
    assert "PSP_PORT" in str(caught.value)


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_refused(value):
    with pytest.raises(PortError, match="PORT is no port"):
        chosen({**environment(), "PORT": value})


def test_one_port_for_two_things_is_refused():
    wanted = environment()
    with pytest.raises(PortError, match="both"):
        chosen({**wanted, "PORT": wanted["SHOP_PORT"]})


def test_each_port_has_the_variable_that_the_readme_names():
    names = {
        "SHOP_PORT": "shop",
        "PORT": "ingress",
        "COMMERCETOOLS_PORT": "commercetools",
        "PSP_PORT": "psp",
        "PUBSUB_PORT": "pubsub",
    }
    for variable, name in names.items():
        wanted = environment()
        assert getattr(chosen(wanted), name) == int(wanted[variable])
