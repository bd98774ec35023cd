"""What Docker and the ways to it say, as sentences with advice. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ssl import SSLError

import requests
from docker.errors import APIError, ImageNotFound

from integrator.config.engine_address import EngineAddress
from protocol.errors import FleetmarkError, LaunchError, UnreachableError, UserError

__all__ = ["explain", "is_lost", "is_want_of_capabilities"]

_SERVER_ERROR = 500
_Kinds = type[BaseException] | tuple[type[BaseException], ...]

# Found in the engine's words -> what it means, what to do. The first that is found wins.
_REFUSALS: tuple[tuple[str, type[FleetmarkError], str, str], ...] = (
    (
        r'gathering device information while adding custom device "([^"]+)"',
        UserError,
        "there is no {0} on the machine",
        "install its driver, or remove it from devices in lab.yaml",
    ),
    (
        r"Requested CPUs are not available - requested ([^,]+), available: ([\d,-]+)",
        UserError,
        "the machine has no CPUs {0}; it has {1}",
        "correct cpuset in lab.yaml",
    ),
    (
        r"Requested memory nodes are not available - requested ([^,]+), available: ([\d,-]+)",
        UserError,
        "the machine has no NUMA node {0}; it has {1}",
        "correct numa_node in lab.yaml",
    ),
    (
        r"Minimum memory limit allowed is (\S+)",
        UserError,
        "a container needs at least {0} of memory",
        "raise memory in lab.yaml",
    ),
    (
        r"network (\S+) not found",
        UserError,
        'the machine has no Docker network "{0}"',
        "docker network create {0}, on the machine; or correct network in lab.yaml",
    ),
    (
        r"[Nn]o such image: (\S+?)\.?$",
        UserError,
        "the machine has no image {0}",
        "fleetmark doctor --lab lab.yaml --send-images sends it there",
    ),
    (
        r'[Cc]onflict\. The container name "/?([^"]+)" is already in use by container "?([0-9a-f]{12})',
        UserError,
        "the name {0} is taken there by container {1}, which fleetmark did not start",
        "see what it is: docker inspect {1}; then rename or remove it",
    ),
    (
        r"no space left on device",
        LaunchError,
        "the machine's disk is full",
        "make room there: docker system df shows what Docker takes, docker image prune what it can give back",
    ),
    (
        r'exec: "([^"]+)": (?:executable file not found|stat)',
        UserError,
        "the image has no program {0}: it is not an agent's",
        "correct image in lab.yaml, or build it: see docker/ and the runbook",
    ),
)


def is_lost(error: Exception) -> bool:
    """Whether the connection is of no use any more."""
    return not isinstance(error, APIError)


def is_want_of_capabilities(error: FleetmarkError) -> bool:
    """Whether a container did not start because its engine lacks a capability that it should give."""
    return isinstance(error.__cause__, APIError) and "unable to apply caps" in str(error.__cause__)


def explain(
    error: Exception, *, engine: str, doing: str, address: EngineAddress, user: str, said: str = ""
) -> FleetmarkError:
    """What to raise for an error of docker-py, requests or the operating system.

    Args:
        error: What was raised.
        engine: The engine, in words.
        doing: What it was asked, in words: `starting the container`.
        address: Where it is.
        user: Who we are, on this computer.
        said: What the command on the other side of SSH said.
    """
    if isinstance(error, APIError):
        return _refusal(error, engine, doing)
    if said:
        return _through_ssh(engine, address, said)
    causes = list(_causes(error))
    meanings: tuple[tuple[_Kinds, Callable[[], FleetmarkError]], ...] = (
        (PermissionError, lambda: _forbidden(engine, user)),
        ((SSLError, requests.exceptions.SSLError), lambda: _tls(engine, causes)),
        (FileNotFoundError, lambda: _down(f"{engine}: there is no such socket")),
        ((requests.Timeout, TimeoutError), lambda: _away(f"{engine} did not answer in time, {doing}")),
        (ConnectionRefusedError, lambda: _down(f"{engine} does not run: connection refused")),
    )
    for kinds, meaning in meanings:
        if any(isinstance(cause, kinds) for cause in causes):
            return meaning()
    return _away(f"{engine} cannot be reached, {doing}: {_last(causes)}")


def _forbidden(engine: str, user: str) -> FleetmarkError:
    return UserError(
        f"{engine}: no permission to use its socket",
        advice=f"usermod -aG docker {user}, as root, and log in anew; that group is as good as root",
    )


def _down(sentence: str) -> FleetmarkError:
    return UnreachableError(sentence, advice="start Docker there: systemctl start docker")


def _away(sentence: str) -> FleetmarkError:
    return UnreachableError(
        sentence,
        advice="is the machine on, in this network, and does Docker run there (systemctl status docker)?",
    )


def _refusal(error: APIError, engine: str, doing: str) -> FleetmarkError:
    words = str(error.explanation or error).strip()
    if isinstance(error, ImageNotFound) and not re.search(r"no such image", words, re.IGNORECASE):
        words = f"No such image: {words}"
    for pattern, kind, sentence, advice in _REFUSALS:
        if match := re.search(pattern, words):
            parts = match.groups()
            return kind(f"{engine}: {sentence.format(*parts)}", advice=advice.format(*parts))
    advice = "see the engine's log there: journalctl -u docker" if _is_fault(error) else ""
    return LaunchError(f"{engine}: {doing} failed: {words[:1000]}", advice=advice)


def _is_fault(error: APIError) -> bool:
    return error.response is not None and error.response.status_code >= _SERVER_ERROR


def _through_ssh(engine: str, address: EngineAddress, said: str) -> FleetmarkError:
    if "permission denied" in said.lower():
        return UserError(
            f"{engine}: {address.user} has no permission to use its socket",
            advice=f"usermod -aG docker {address.user}, as root on {address.host}; who is in that group is "
            "as good as root there",
        )
    if "not found" in said.lower() and "docker" in said:
        return UserError(
            f"{engine}: {address.host} has no docker program for {address.user}",
            advice="install Docker there, with its command line; "
            f"ssh {address.user}@{address.host} docker version must work",
        )
    return UnreachableError(
        f"{engine} does not answer: {said[-500:]}",
        advice=f"start Docker on {address.host}: systemctl start docker",
    )


def _tls(engine: str, causes: list[BaseException]) -> FleetmarkError:
    words = " ".join(str(cause) for cause in causes)
    if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
        why = re.search(r"certificate verify failed: ([^(]+)", words)
        return UserError(
            f"{engine}: its certificate is not to be trusted: {why[1].strip() if why else 'another name'}",
            advice="give the CA of that engine as tls.ca, and a host that its certificate is made out to",
        )
    if "alert" in words.lower():
        return UserError(
            f"{engine} does not accept our certificate: {_last(causes)}",
            advice="give tls.certificate and tls.key that the engine's CA (its --tlscacert) has signed",
        )
    return UserError(
        f"{engine}: no TLS: {_last(causes)}",
        advice="start the engine with --tlsverify, or reach it over ssh://",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: causes, contexts, and what requests and urllib3 carry along."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        todo += [item for item in inner if isinstance(item, BaseException)]


def _last(causes: list[BaseException]) -> str:
    innermost = causes[-1]
    words = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    return str(words)[:300]
