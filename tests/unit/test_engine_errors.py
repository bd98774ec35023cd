"""What engines of several versions say, and what a user is told: the words were noted from engines."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError, NotFound

from integrator.config.engine_address import parse_engine_address
from integrator.launch.engine_errors import explain, is_lost
from protocol.errors import FleetmarkError, LaunchError, UnreachableError, UserError

HERE = parse_engine_address("unix:///var/run/docker.sock")
THERE = parse_engine_address("ssh://fleet@box")


def answer(words: str, status: int = 500, kind: type[APIError] = APIError) -> APIError:
    response = requests.Response()
    response.status_code = status
    response.url = "http://engine/x"
    return kind("failed", response=response, explanation=words)


def told(error: Exception, *, said: str = "") -> FleetmarkError:
    address = THERE if said else HERE
    return explain(error, engine="the engine", doing="doing it", address=address, user="me", said=said)


ANSWERS: dict[str, tuple[type[FleetmarkError], str]] = {
    'error gathering device information while adding custom device "/dev/dri": no such file or directory': (
        UserError,
        "there is no /dev/dri on the machine",
    ),
    "Requested CPUs are not available - requested 8-15, available: 0-7": (
        UserError,
        "the machine has no CPUs 8-15; it has 0-7",
    ),
    "Requested memory nodes are not available - requested 1, available: 0": (
        UserError,
        "the machine has no NUMA node 1; it has 0",
    ),
    "Minimum memory limit allowed is 6MB": (UserError, "a container needs at least 6MB of memory"),
    "network lab not found": (UserError, 'the machine has no Docker network "lab"'),
    "No such image: fleetmark-agent:2026.4": (UserError, "the machine has no image fleetmark-agent:2026.4"),
    (
        'Conflict. The container name "/x" is already in use by container '
        '"0123456789abcdef0123". You have to remove (or rename) that container to be able to reuse that name.'
    ): (UserError, "the name x is taken there by container 0123456789ab, which fleetmark did not start"),
    "write /var/lib/docker/tmp/x: no space left on device": (LaunchError, "the machine's disk is full"),
    (
        "OCI runtime create failed: container_linux.go:380: starting container process caused: "
        'exec: "fleetmark-agent": executable file not found in $PATH: unknown'
    ): (UserError, "the image has no program fleetmark-agent: it is not an agent's"),
}


@pytest.mark.parametrize(("words", "meaning"), ANSWERS.items(), ids=[words[:30] for words in ANSWERS])
def test_a_refusal_is_a_sentence_with_advice(words: str, meaning: tuple[type[FleetmarkError], str]) -> None:
    error = told(answer(words))
    assert (type(error), str(error)) == (meaning[0], f"the engine: {meaning[1]}")
    assert error.advice
    assert "{" not in error.advice


def test_what_nobody_foresaw_is_told_in_the_engines_words() -> None:
    error = told(answer("something new"))
    assert (type(error), str(error)) == (LaunchError, "the engine: doing it failed: something new")
    assert error.advice == "see the engine's log there: journalctl -u docker"
    assert told(answer("your mistake", 400)).advice == ""


def test_braces_in_an_answer_are_only_text() -> None:
    error = told(answer("network {0}{x} not found"))
    assert str(error) == 'the engine: the machine has no Docker network "{0}{x}"'


def test_only_an_answer_leaves_the_connection_usable() -> None:
    assert not is_lost(answer("x", 404, NotFound))
    assert is_lost(requests.ConnectionError())
    assert is_lost(requests.ReadTimeout())


def caused_by(cause: BaseException) -> Exception:
    """As requests wraps what urllib3 wrapped."""
    return requests.ConnectionError(OSError("Connection aborted.", cause))


CAUSES: dict[str, tuple[Exception, type[FleetmarkError], str]] = {
    "permission": (
        caused_by(PermissionError(13, "Permission denied")),
        UserError,
        "the engine: no permission to use its socket",
    ),
    "no socket": (
        caused_by(FileNotFoundError(2, "No such file")),
        UnreachableError,
        "the engine: there is no such socket",
    ),
    "refused": (
        caused_by(ConnectionRefusedError(111, "Connection refused")),
        UnreachableError,
        "the engine does not run: connection refused",
    ),
    "late": (requests.ReadTimeout(), UnreachableError, "the engine did not answer in time, doing it"),
    "cut": (
        caused_by(ConnectionResetError(104, "Connection reset by peer")),
        UnreachableError,
        "the engine cannot be reached, doing it: Connection reset by peer",
    ),
}


@pytest.mark.parametrize(("error", "kind", "sentence"), CAUSES.values(), ids=CAUSES)
def test_what_keeps_from_an_engine(error: Exception, kind: type[FleetmarkError], sentence: str) -> None:
    explained = told(error)
    assert (type(explained), str(explained)) == (kind, sentence)
    assert explained.advice


SAID: dict[str, tuple[type[FleetmarkError], str]] = {
    (
        "Got permission denied while trying to connect to the Docker daemon socket at "
        "unix:///var/run/docker.sock"
    ): (UserError, "the engine: fleet has no permission to use its socket"),
    "sh: 1: docker: not found": (UserError, "the engine: box has no docker program for fleet"),
    "bash: line 1: docker: command not found": (
        UserError,
        "the engine: box has no docker program for fleet",
    ),
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?": (
        UnreachableError,
        (
            "the engine does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
            "Is the docker daemon running?"
        ),
    ),
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items(), ids=[said[:30] for said in SAID])
def test_what_the_other_side_of_ssh_says(said: str, meaning: tuple[type[FleetmarkError], str]) -> None:
    explained = told(requests.ConnectionError(), said=said)
    assert (type(explained), str(explained)) == meaning
    assert explained.advice
