"""An agent in a container, on any machine with a Docker Engine."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from docker.errors import APIError, NotFound

from integrator.config.docker_start import DockerStart
from integrator.launch import container_settings as settings
from integrator.launch import engine_errors
from integrator.launch.engine import Engine
from integrator.launch.hardware import cpus_of_node, groups_of_devices
from integrator.launch.image import image_id
from integrator.launch.interface import AgentStatus, Order, Presence
from protocol.errors import FleetmarkError, LaunchError, UserError

__all__ = ["DockerLauncher"]

_ASK_AGAIN_S = 5.0
_SLICE_S = 300.0
"""A wait for a container's end is asked for anew after this time: a connection may have died unnoticed."""
_REMOVE_TIMEOUT_S = 60.0
_SHELL_SIGNALS = 128
_CONFLICT = 409


class DockerLauncher:
    """Starts and ends the agent of one machine through its engine.

    One container of a fixed name for each machine: the engine itself keeps two integrators from starting two
    agents. A container that runs already for the same campaign and release is gone on with; one that has
    ended is replaced. The volume with models and waiting results stays, whatever happens.
    """

    def __init__(self, machine: str, start: DockerStart, engine: Engine, *, default_openvino: str) -> None:
        self._machine = machine
        self._start = start
        self._engine = engine
        self._default_openvino = default_openvino
        self._name = settings.container_name(machine)
        self._closed = threading.Event()

    def start(self, order: Order) -> None:
        """See `Launcher.start`."""
        image = self._start.image_for(order.openvino or self._default_openvino)
        with self._engine.asked("looking for the agent's container"):
            found = self._inspect()
        if found is not None:
            self._refuse_if_foreign(found)
            if found["State"]["Running"]:
                if not self._is_same(found, order):
                    raise self._in_the_way(found)
                self._hand_over(found["Id"], order)
                return
            self.remove()
        if image_id(self._engine, image) is None:
            raise UserError(
                f"{self._engine}: the machine has no image {image}",
                advice="fleetmark doctor --lab lab.yaml --send-images sends it there",
            )
        cpus = self._start.cpuset
        if cpus is None and self._start.numa_node is not None:
            cpus = cpus_of_node(self._engine, image, self._start.numa_node)
        groups = groups_of_devices(self._engine, image, self._start.devices)
        try:
            self._begin(image, order, cpus, groups, settings.CAPABILITIES)
        except FleetmarkError as error:
            if not engine_errors.is_want_of_capabilities(error):
                raise
            self._begin(image, order, cpus, groups, ())  # of an engine in a container, for one

    def status(self) -> AgentStatus:
        """See `Launcher.status`."""
        try:
            with self._engine.asked("asking for the agent's container"):
                found = self._inspect()
        except FleetmarkError as error:
            return AgentStatus(Presence.UNKNOWN, detail=_sentence(error))
        return _status_of(found)

    def wait(self, timeout_s: float) -> AgentStatus:
        """See `Launcher.wait`. Where the engine does not answer, it is asked again until the time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status()
            left = deadline - time.monotonic()
            if status.state not in {Presence.RUNNING, Presence.UNKNOWN} or left <= 0 or self._closed.is_set():
                return status
            if status.state is Presence.UNKNOWN:
                self._closed.wait(min(left, _ASK_AGAIN_S))
            else:
                self._wait_for_end(min(left, _SLICE_S))

    def ask_to_stop(self) -> None:
        """See `Launcher.ask_to_stop`: SIGTERM."""
        with self._engine.asked("telling the agent to stop") as client:
            found = self._inspect()
            if found is None or not found["State"]["Running"] or not settings.is_ours(found):
                return
            try:
                client.kill(found["Id"], signal.SIGTERM)
            except APIError as error:
                if not _has_gone(error):
                    raise

    def remove(self) -> None:
        """See `Launcher.remove`. The volume stays."""
        with self._engine.asked("removing the agent's container") as client:
            found = self._inspect()
            if found is None or not settings.is_ours(found):
                return
            try:
                client.remove_container(found["Id"], force=True, v=False)
            except APIError as error:
                if not _has_gone(error):
                    raise
            deadline = time.monotonic() + _REMOVE_TIMEOUT_S
            while self._inspect() is not None:  # somebody else is removing it
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"{self._engine}: the container {self._name} is still there after "
                        f"{_REMOVE_TIMEOUT_S:g} s",
                        advice="see the engine's log there: journalctl -u docker",
                    )
                time.sleep(0.2)

    def logs(self, lines: int = 10) -> str:
        """See `Launcher.logs`."""
        with self._engine.asked("reading the agent's log") as client:
            try:
                said: bytes = client.logs(self._name, tail=lines, stdout=True, stderr=True)
            except NotFound:
                return ""
        return said.decode(errors="replace").strip()

    def close(self) -> None:
        """See `Launcher.close`; a `wait` under way ends."""
        self._closed.set()
        self._engine.close()

    def _begin(
        self,
        image: str,
        order: Order,
        cpus: str | None,
        groups: tuple[int, ...],
        capabilities: tuple[str, ...],
    ) -> None:
        """Make the container and start it; nothing is left of it where that fails."""
        with self._engine.asked("making the agent's container") as client:
            host = client.create_host_config(
                **settings.host_settings(
                    self._start, self._machine, cpus=cpus, groups=groups, capabilities=capabilities
                )
            )
            made = client.create_container(
                image,
                name=self._name,
                host_config=host,
                **settings.container_settings(self._start, self._machine, order),
            )
        try:
            self._hand_over(made["Id"], order)
            with self._engine.asked("starting the agent's container") as client:
                client.start(made["Id"])
        except BaseException:
            self._quietly(lambda client: client.remove_container(made["Id"], force=True))
            raise

    def _inspect(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._engine.client().inspect_container(self._name)
        except NotFound:
            return None
        return found

    def _is_same(self, found: dict[str, Any], order: Order) -> bool:
        labels = settings.labels(self._machine, order)
        return all(
            found["Config"]["Labels"].get(name) == labels[name] for name in settings.LABELS_OF_THE_SAME
        )

    def _in_the_way(self, found: dict[str, Any]) -> UserError:
        campaign = found["Config"]["Labels"].get(settings.CAMPAIGN_LABEL, "another campaign")
        return UserError(
            f"{self._engine}: an agent of {self._machine} runs there already, for {campaign}",
            advice="let that campaign end, or stop its fleetmark run; if none runs any more: docker rm -f "
            f"{self._name}, on the machine",
        )

    def _refuse_if_foreign(self, found: dict[str, Any]) -> None:
        if not settings.is_ours(found):
            raise UserError(
                f"{self._engine}: the name {self._name} is taken there by container {found['Id'][:12]}, "
                "which fleetmark did not start",
                advice=f"see what it is: docker inspect {self._name}; then rename or remove it",
            )

    def _hand_over(self, container: str, order: Order) -> None:
        """Put the account where the agent looks for it, if another one or none is there."""
        if order.account is None:
            return
        data = order.account.to_bytes()
        with self._engine.asked("handing over the account") as client:
            if settings.handed_over(client, container) != data:
                client.put_archive(container, settings.WORK, settings.hand_over_archive(data))

    def _wait_for_end(self, timeout_s: float) -> None:
        with (
            suppress(FleetmarkError),  # `status` says so next
            self._engine.asked("waiting for the agent") as client,
            suppress(requests.ReadTimeout, NotFound),  # it runs on, and the connection is a good one
        ):
            client.wait(self._name, timeout=math.ceil(timeout_s))

    def _quietly(self, do: Callable[[Any], object]) -> None:
        with suppress(FleetmarkError), self._engine.asked("cleaning up") as client:
            do(client)  # what went wrong before is what is raised


def _status_of(found: dict[str, Any] | None) -> AgentStatus:
    if found is None or not settings.is_ours(found):
        return AgentStatus(Presence.ABSENT)
    state = found["State"]
    if state["Running"]:
        return AgentStatus(Presence.RUNNING, detail="paused" if state.get("Paused") else "")
    if state["Status"] == "created":
        return AgentStatus(Presence.ABSENT, detail=str(state.get("Error") or "made and not started"))
    code = int(state["ExitCode"])
    detail = str(state.get("Error") or "")
    if state.get("OOMKilled"):
        detail = "killed by the kernel for want of memory"
    return AgentStatus(Presence.EXITED, exit_code=_as_subprocess(code), detail=detail)


def _as_subprocess(code: int) -> int:
    """Docker reports a signal as 128 + its number. 130 is also what an interrupted agent leaves with."""
    number = code - _SHELL_SIGNALS
    if code != _SHELL_SIGNALS + signal.SIGINT and number in set(signal.Signals):
        return -number
    return code


def _has_gone(error: APIError) -> bool:
    """Whether the container ended or went away meanwhile, so that there is nothing left to do."""
    return isinstance(error, NotFound) or (
        error.response is not None and error.response.status_code == _CONFLICT
    )


def _sentence(error: FleetmarkError) -> str:
    return f"{error}; {error.advice}" if error.advice else str(error)
