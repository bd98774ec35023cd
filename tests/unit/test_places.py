"""Which machines measure side by side."""

from __future__ import annotations

from integrator.conduct.places import turns
from integrator.config.lab import LabMachine


def lab(**starts: object) -> dict[str, LabMachine]:
    return {name: LabMachine.model_validate({"name": name, "start": start}) for name, start in starts.items()}


def docker(host: str) -> object:
    tls = {"tls": {"ca": "/etc/passwd", "certificate": "/etc/passwd", "key": "/etc/passwd"}}
    return {"docker": {"host": host, **(tls if host.startswith("tcp") else {})}}


def test_what_is_on_one_computer_goes_one_after_another() -> None:
    entries = lab(
        a="local",
        b=docker("ssh://fleet@10.0.0.1"),
        c="waiting",
        d=docker("unix:///var/run/docker.sock"),
        e=docker("tcp://10.0.0.1:2376"),
        f=docker("ssh://fleet@127.0.0.1:2222"),
        g="waiting",
        h=docker("ssh://fleet@10.0.0.2"),
    )
    assert turns("abcdefgh", entries) == [["a", "d", "f"], ["b", "e"], ["c"], ["g"], ["h"]]


def test_a_machine_that_no_lab_knows_is_this_computer() -> None:
    assert turns(["this-machine", "box"], lab(box="local")) == [["this-machine", "box"]]
