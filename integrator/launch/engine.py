"""A connection to a Docker Engine: the local socket, one behind SSH, or TCP with TLS."""

from __future__ import annotations

import math
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import requests
from docker.api.client import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnectionPool
from docker.utils import version_lt

from integrator.config.docker_start import DockerStart, TlsFiles
from integrator.launch import engine_errors
from integrator.launch.forward import SocketForward, docker_command
from integrator.launch.logins import Passwords, refuse_if_shared
from integrator.launch.ssh import Ssh
from protocol.errors import FleetmarkError, UserError

__all__ = ["Engine"]

TIMEOUT_S = 30
"""For one answer of the engine; what takes longer says so."""
_OLDEST_API = "1.41"
"""That of Docker Engine 20.10."""


class Engine:
    """The engine of one machine; connects when it is first asked, and again after it was lost."""

    def __init__(self, start: DockerStart, passwords: Passwords | None = None) -> None:
        self._start = start
        self.address = start.address
        self.ssh = Ssh(start, passwords or Passwords()) if self.address.kind == "ssh" else None
        """The way there, for commands and files beside the engine."""
        self._lock = threading.Lock()
        self._client: _Client | None = None
        self._forward: SocketForward | None = None

    def __str__(self) -> str:
        return f"the Docker Engine at {self.address}"

    def client(self) -> APIClient:
        """docker-py's client of the engine; use it inside `asked`.

        Raises:
            UnreachableError: nobody answers.
            UserError: it may not be used: host key, login, certificate, permission, or too old.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    @contextmanager
    def asked(self, doing: str, *, timeout_s: float | None = None) -> Iterator[APIClient]:
        """The client, for one request or some; what goes wrong is raised as what it means.

        Args:
            doing: What is asked, in words: `starting the container`.
            timeout_s: Seconds for one answer, where they are more than usual.

        Raises:
            UnreachableError, UserError: as `client`.
            LaunchError: the engine could not do what it was asked, in its own words and with advice.
        """
        client: APIClient = self.client()
        try:
            if timeout_s is None:
                yield client
            else:
                with closing(self._another(timeout_s)) as patient:
                    yield patient
        except (DockerException, requests.RequestException, OSError) as error:
            explained = self._explained(error, doing)
            if engine_errors.is_lost(error):
                self._drop(client)
            raise explained from error

    def close(self) -> None:
        """Let go of all connections; what runs there runs on."""
        with self._lock:
            self._let_go()

    @property
    def docker_command(self) -> str:
        """How the docker program over there is told to use this engine, in its shell."""
        return docker_command(self.address.socket)

    def _another(self, timeout_s: float) -> _Client:
        return _Client(self._url(), _tls(self._start.tls), timeout_s=timeout_s)

    def _url(self) -> str:
        if self._forward is not None:
            return f"unix://{self._forward.path}"
        return str(self.address).replace("tcp://", "https://")

    def _connect(self) -> _Client:
        if self.ssh is not None:
            self.ssh.transport()  # raises, in words, what a request through the socket could only fail of
            self._forward = SocketForward(self.ssh, self.address.socket)
        try:
            if self.address.kind == "unix":
                _knock(self.address.socket)
            client = self._another(TIMEOUT_S)
        except (DockerException, requests.RequestException, OSError) as error:
            explained = self._explained(error, "asking for its version")
            self._let_go_of_engine()  # the way there may be fine, and others may be on it
            raise explained from error
        if version_lt(client.server_version, _OLDEST_API):
            client.close()
            self._let_go_of_engine()
            raise UserError(
                f"{self} speaks version {client.server_version} of Docker's API; {_OLDEST_API} is needed",
                advice="install Docker Engine 20.10 or newer",
            )
        return client

    def _explained(self, error: Exception, doing: str) -> FleetmarkError:
        forward = self._forward
        trouble = forward.trouble if forward else ""
        if engine_errors.is_lost(error) and isinstance(trouble, FleetmarkError):
            return trouble
        return engine_errors.explain(
            error, engine=str(self), doing=doing, address=self.address, user=_me(), said=str(trouble)
        )

    def _drop(self, client: APIClient) -> None:
        """Connect anew next time, unless another thread has done so already."""
        with self._lock:
            if self._client is client:
                self._let_go()

    def _let_go(self) -> None:
        if self.ssh is not None:
            self.ssh.close()
        self._let_go_of_engine()

    def _let_go_of_engine(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._forward is not None:
            self._forward.close()
        self._client = self._forward = None


class _OnePool(UnixHTTPAdapter):
    """Connections to a socket, used again for whatever is asked next.

    docker-py's own keeps them apart by URL, and so dials anew for each question: three round trips over SSH,
    and a session, of which sshd grants ten (MaxSessions).
    """

    def get_connection(self, url: str | bytes, proxies: Any = None) -> UnixHTTPConnectionPool:  # noqa: ARG002
        pool: UnixHTTPConnectionPool = super().get_connection("http+docker://localhost")
        return pool


class _Client(APIClient):
    """docker-py's client, which agrees on a version and follows no environment variables."""

    def __init__(self, url: str, tls: TLSConfig | None, *, timeout_s: float) -> None:
        # A version, so that nothing is asked before the environment is shut out: with REQUESTS_CA_BUNDLE
        # another CA would be believed, and with HTTPS_PROXY somebody else be asked.
        super().__init__(url, version=_OLDEST_API, timeout=math.ceil(timeout_s), tls=tls or False)
        self.trust_env = False
        if url.startswith("unix://"):
            self._custom_adapter = _OnePool(f"http+{url}", timeout=math.ceil(timeout_s))
            self.mount("http+docker://", self._custom_adapter)
        self.server_version = str(self.version(api_version=False)["ApiVersion"])
        older = version_lt(self.server_version, DEFAULT_DOCKER_API_VERSION)
        self._version = self.server_version if older else DEFAULT_DOCKER_API_VERSION


def _knock(path: str) -> None:
    """Raise what is wrong with a socket; docker-py says it too, and leaves one open each time."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(TIMEOUT_S)
        door.connect(path)


def _tls(files: TlsFiles | None) -> TLSConfig | None:
    if files is None:
        return None
    refuse_if_shared(files.key, "a private key")
    return TLSConfig(client_cert=(str(files.certificate), str(files.key)), ca_cert=str(files.ca), verify=True)


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
