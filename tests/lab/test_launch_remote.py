"""An engine behind a real sshd, and one on TCP with TLS; and an image that is sent to each."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from integrator.config.docker_start import DockerStart, TlsFiles
from integrator.launch import engine as engine_module
from integrator.launch.container import DockerLauncher
from integrator.launch.engine import Engine
from integrator.launch.image import image_id, send_image
from integrator.launch.image_file import ImageFile, save_image
from integrator.launch.interface import Order, Presence
from protocol.account import Account
from protocol.errors import LaunchError, UnreachableError, UserError
from tests.integration.proxy import Fault, Proxy, wait_for
from tests.lab.docker_cli import docker, docker_ok
from tests.launching.engines import Authority, SecondEngine, make_tiny_image, run_second_engine
from tests.launching.sshd import Sshd, run_sshd

TAG = f"fleetmark-test-sent-{uuid.uuid4().hex[:8]}:1"
ACCOUNT = Account(
    schema_version=1, host="127.0.0.1", port=1, user="box", password=SecretStr("word"), ca_certificate="none"
)


@pytest.fixture(scope="module")
def tiny(engine: None) -> Iterator[str]:
    make_tiny_image(TAG)
    yield TAG
    docker("rmi", "-f", TAG)


@pytest.fixture(scope="module")
def second(engine: None) -> Iterator[SecondEngine]:
    with run_second_engine() as second:
        yield second


@pytest.fixture
def sshd(tmp_path: Path, engine: None) -> Iterator[Sshd]:
    with run_sshd(tmp_path / "sshd") as server:
        server.know()
        server.know(host="127.0.0.2")
        yield server


def refusal(start: DockerStart) -> UserError:
    engine = Engine(start)
    with pytest.raises(UserError) as caught, engine.asked("asking"):
        pass
    engine.close()
    return caught.value


# SSH


def test_an_agent_behind_ssh_from_its_start_to_its_end(sshd: Sshd, tiny: str) -> None:
    machine = f"test-{uuid.uuid4().hex[:8]}"
    start = sshd.start(
        image=tiny, environment={"SCRIPT": "echo on; trap 'exit 130' TERM; while :; do sleep 0.1; done"}
    )
    launcher = DockerLauncher(machine, start, Engine(start), default_openvino="2026.4")
    try:
        assert launcher.status().state is Presence.ABSENT
        launcher.start(Order(machine, "c-1", ACCOUNT))
        assert wait_for(lambda: launcher.logs() == "on")
        # The connection breaks: that is no end of the agent, and the next question makes a new one.
        for process in sshd.sessions():
            os.kill(process, 9)
        assert wait_for(lambda: launcher.status().state is Presence.RUNNING)
        launcher.ask_to_stop()
        assert launcher.wait(30).exit_code == 130
        launcher.remove()
        assert launcher.status().state is Presence.ABSENT
    finally:
        launcher.close()
        docker_ok("rm", "-f", f"fleetmark-agent-{machine}")
        docker_ok("volume", "rm", f"fleetmark-{machine}")


def test_a_machine_that_goes_away_while_its_agent_is_waited_for(sshd: Sshd, tiny: str) -> None:
    machine = f"test-{uuid.uuid4().hex[:8]}"
    start = sshd.start(image=tiny, environment={"SCRIPT": "sleep 600"})
    launcher = DockerLauncher(machine, start, Engine(start), default_openvino="2026.4")
    try:
        launcher.start(Order(machine, "c-1", ACCOUNT))
        sshd.process.terminate()
        sshd.process.wait(10)
        for process in sshd.sessions():
            os.kill(process, 9)
        status = launcher.wait(1)
        assert status.state in {Presence.UNKNOWN, Presence.RUNNING}
        assert wait_for(lambda: launcher.status().state is Presence.UNKNOWN)
        assert "cannot connect to 127.0.0.1" in launcher.status().detail
    finally:
        launcher.close()
        docker_ok("rm", "-f", f"fleetmark-agent-{machine}")
        docker_ok("volume", "rm", f"fleetmark-{machine}")


def test_an_unknown_host_key_reaches_the_launcher(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    assert "the host key is not known" in str(refusal(sshd.start()))


def test_a_login_without_permission(tmp_path: Path, engine: None) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with run_sshd(tmp_path / "sshd", run_as=65534) as server:
        server.know()
        for parent in (server.home, *server.home.parents):
            if parent.is_relative_to(tmp_path.parents[1]):
                parent.chmod(parent.stat().st_mode | 0o755)
        error = refusal(server.start())
    assert str(error).endswith(f": {server.user} has no permission to use its socket")
    assert error.advice.startswith(f"usermod -aG docker {server.user}, as root on 127.0.0.1")


def test_a_machine_without_the_docker_program(tmp_path: Path, engine: None) -> None:
    with run_sshd(tmp_path / "sshd", path="/nowhere") as server:
        server.know()
        error = refusal(server.start())
    assert str(error).endswith(f": 127.0.0.1 has no docker program for {server.user}")


def test_a_machine_whose_engine_is_down(sshd: Sshd) -> None:
    engine = Engine(sshd.start(socket_path="/nowhere/docker.sock"))
    with pytest.raises(UnreachableError, match="does not answer: ") as caught, engine.asked("asking"):
        pass
    engine.close()
    assert caught.value.advice == "start Docker on 127.0.0.1: systemctl start docker"


# TLS


def tls_start(
    second: SecondEngine, authority: Authority, pair: tuple[Path, Path], **more: Any
) -> DockerStart:
    files = TlsFiles(ca=authority.certificate, certificate=pair[0], key=pair[1])
    return DockerStart(**{"host": f"tcp://127.0.0.1:{second.port}", "tls": files, **more})


def test_an_engine_with_tls(second: SecondEngine) -> None:
    engine = Engine(tls_start(second, second.authority, second.authority.issue("me")))
    with engine.asked("asking for its name") as client:
        assert client.info()["DockerRootDir"] == str(second.folder / "data")
    engine.close()


def test_an_engine_of_another_ca_is_not_believed(
    second: SecondEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority(tmp_path / "other")
    mine = second.authority.issue("me")
    error = refusal(tls_start(second, other, mine))
    assert "its certificate is not to be trusted" in str(error)
    # What the environment says about CAs does not count: with it, requests would believe this one.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(second.authority.certificate))
    error = refusal(tls_start(second, other, mine))
    assert "its certificate is not to be trusted" in str(error)


def test_an_engine_under_another_name_is_not_believed(second: SecondEngine) -> None:
    start = tls_start(
        second, second.authority, second.authority.issue("me"), host=f"tcp://localhost:{second.port}"
    )
    assert "its certificate is not to be trusted" in str(refusal(start))


def test_an_engine_does_not_let_a_stranger_in(second: SecondEngine, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other").issue("me")
    error = refusal(tls_start(second, second.authority, stranger))
    assert "does not accept our certificate" in str(error)
    assert "tls.certificate and tls.key" in error.advice


def test_a_proxy_in_the_environment_is_not_asked(
    second: SecondEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    engine = Engine(tls_start(second, second.authority, second.authority.issue("me")))
    with engine.asked("asking for its name") as client:
        assert client.info()["DockerRootDir"] == str(second.folder / "data")
    engine.close()


def test_something_without_tls_listens(second: SecondEngine, tmp_path: Path) -> None:
    """Whoever answers in clear is not talked to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        start = tls_start(
            second, second.authority, second.authority.issue("me"), host=f"tcp://127.0.0.1:{port}"
        )
        engine = Engine(start)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UserError, match="no TLS"), engine.asked("asking"):
            pass
        thread.join()


def test_an_engine_that_does_not_answer(second: SecondEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        start = tls_start(
            second, second.authority, second.authority.issue("me"), host=f"tcp://127.0.0.1:{port}"
        )
        with pytest.raises(UnreachableError, match="did not answer in time"), Engine(start).asked("asking"):
            pass


# Images


@pytest.fixture
def saved(tiny: str, second: SecondEngine, tmp_path: Path) -> Iterator[ImageFile]:
    source = Engine(DockerStart())
    yield save_image(source, tiny, tmp_path / "images")
    source.close()
    if tiny in second.docker("images", "--format", "{{.Repository}}:{{.Tag}}"):
        second.docker("rmi", "-f", tiny)


def over_ssh(sshd: Sshd, second: SecondEngine, **more: Any) -> Engine:
    return Engine(sshd.start(socket_path=str(second.socket), **more))


def test_an_image_is_saved_once(tiny: str, saved: ImageFile, tmp_path: Path) -> None:
    data = saved.path.read_bytes()
    assert (saved.size, saved.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    source = Engine(DockerStart())
    before = saved.path.stat().st_mtime_ns
    assert save_image(source, tiny, saved.path.parent) == saved
    assert saved.path.stat().st_mtime_ns == before
    # Another image under the name: another file, and the old one goes.
    docker("tag", tiny, f"{tiny}-kept")
    make_tiny_image(tiny)
    newer = save_image(source, tiny, saved.path.parent)
    assert list(saved.path.parent.iterdir()) == [newer.path]
    docker("rmi", f"{tiny}-kept")
    with pytest.raises(UserError, match="there is no image nosuch:1 to send"):
        save_image(source, "nosuch:1", saved.path.parent)
    source.close()


def test_an_image_is_sent_over_ssh_and_goes_on_where_it_stopped(
    saved: ImageFile, second: SecondEngine, sshd: Sshd
) -> None:
    told: list[int] = []
    with Proxy([sshd.port]) as proxy:
        engine = over_ssh(sshd, second, host="127.0.0.2")
        assert image_id(engine, saved.reference) is None
        assert engine.ssh is not None
        proxy.fault = Fault("cut", after=saved.size // 2, control=True)
        send_image(engine, saved, lambda done, total: told.append(done))
        assert proxy.fault is not None
        assert proxy.fault.times == 0  # it was cut
        engine.close()
    again = next(index for index in range(1, len(told)) if told[index] <= told[index - 1])
    assert told[again] > 0  # it went on, and did not begin anew
    assert told[-1] == saved.size
    assert saved.reference in second.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert list((sshd.home / ".cache/fleetmark/images").iterdir()) == []


def test_a_part_that_was_damaged_is_sent_anew(saved: ImageFile, second: SecondEngine, sshd: Sshd) -> None:
    folder = sshd.home / ".cache/fleetmark/images"
    folder.mkdir(parents=True)
    (folder / f"{saved.sha256}.tar.gz").write_bytes(b"not what it should be")
    engine = over_ssh(sshd, second)
    send_image(engine, saved, lambda done, total: None)
    engine.close()
    assert saved.reference in second.docker("images", "--format", "{{.Repository}}:{{.Tag}}")


def test_what_is_no_image_is_refused_by_the_engine(second: SecondEngine, sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"no image")
    file = ImageFile("x:1", path, 8, hashlib.sha256(b"no image").hexdigest())
    engine = over_ssh(sshd, second)
    with pytest.raises(LaunchError, match="loading x:1 failed"):
        send_image(engine, file, lambda done, total: None)
    engine.close()
    assert list((sshd.home / ".cache/fleetmark/images").iterdir()) == []


def test_an_image_is_streamed_over_tls(saved: ImageFile, second: SecondEngine) -> None:
    told: list[int] = []
    engine = Engine(tls_start(second, second.authority, second.authority.issue("me")))
    send_image(engine, saved, lambda done, total: told.append(done))
    engine.close()
    assert told[-1] == saved.size
    assert saved.reference in second.docker("images", "--format", "{{.Repository}}:{{.Tag}}")


def test_an_image_is_kept_until_there_is_room(saved: ImageFile, second: SecondEngine, sshd: Sshd) -> None:
    """Loading fails on a full disk: what was sent stays, and is loaded the next time."""
    filler = second.folder / "data/filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    engine = over_ssh(sshd, second)
    with pytest.raises(LaunchError, match="no space left on device") as caught:
        send_image(engine, saved, lambda done, total: None)
    assert "docker system df" in caught.value.advice
    over_tls = Engine(tls_start(second, second.authority, second.authority.issue("me")))
    with pytest.raises(LaunchError, match="no space left on device"):
        send_image(over_tls, saved, lambda done, total: None)
    over_tls.close()
    filler.unlink()
    told: list[int] = []
    send_image(engine, saved, lambda done, total: told.append(done))
    engine.close()
    assert told == [saved.size]  # nothing was sent again
