"""A site published over SFTP to a real sshd: whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrator.launch.ssh import HostKeyError
from integrator.publish_to.destination import Sftp
from integrator.publish_to.sftp import publish_to_sftp
from protocol.errors import FleetmarkError, UserError
from tests.integration.openssh import OpenSsh, openssh


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with openssh(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def make_site(folder: Path, words: str, raw: int = 9) -> Path:
    (folder / "data" / "raw" / "box").mkdir(parents=True)
    (folder / "index.html").write_text(f"<p>{words}</p>\n")
    (folder / "data" / "results.json").write_text("{}\n")
    for number in range(raw):
        (folder / "data" / "raw" / "box" / f"test.{number}.json.gz").write_bytes(bytes([number]) * 40_000)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def publish(site: Path, server: OpenSsh, path: Path, known_hosts: Path | None = None) -> None:
    target = Sftp(server.user, "127.0.0.1", server.port, str(path))
    publish_to_sftp(site, target, known_hosts=known_hosts or server.known_hosts, key_file=server.key_file)


def test_a_site_is_published_and_replaced_as_a_whole(web: OpenSsh, tmp_path: Path) -> None:
    target = tmp_path / "srv" / "www" / "bench"
    first, second = make_site(tmp_path / "1", "first"), make_site(tmp_path / "2", "second", raw=3)
    publish(first, web, target)
    assert files_of(target) == files_of(first)
    publish(second, web, target)
    assert files_of(target) == files_of(second)
    assert [path.name for path in target.parent.iterdir()] == ["bench"]


def test_a_folder_of_somebody_else_is_left_alone(web: OpenSsh, tmp_path: Path) -> None:
    target = tmp_path / "www"
    target.mkdir()
    (target / "index.html").write_text("the lab's home page")
    with pytest.raises(UserError, match="did not publish"):
        publish(make_site(tmp_path / "site", "first"), web, target)
    assert [path.name for path in target.iterdir()] == ["index.html"]


def test_an_unknown_host_is_not_given_anything(web: OpenSsh, tmp_path: Path) -> None:
    nobody = tmp_path / "known_hosts"
    nobody.write_text("")
    with pytest.raises(HostKeyError):
        publish(make_site(tmp_path / "site", "first"), web, tmp_path / "www", known_hosts=nobody)
    assert not (tmp_path / "www").exists()


@pytest.mark.parametrize("refused", ["rename", "mkdir", "write"])
def test_a_server_that_refuses_has_the_old_site_and_nothing_else(refused: str, tmp_path: Path) -> None:
    old, new = make_site(tmp_path / "1", "old"), make_site(tmp_path / "2", "new")
    target = tmp_path / "srv" / "bench"
    with openssh(tmp_path / "a") as server:
        publish(old, server, target)
    refusing = openssh(tmp_path / "b", f"Subsystem sftp internal-sftp -P {refused}")
    with refusing as server, pytest.raises(FleetmarkError):
        publish(new, server, target)
    assert files_of(target) == files_of(old)
    assert [path.name for path in target.parent.iterdir()] == ["bench"]


def test_what_an_earlier_publish_left_behind_is_removed_after_a_day(web: OpenSsh, tmp_path: Path) -> None:
    target = tmp_path / "bench"
    left, young = tmp_path / ".bench.fleetmark-0123", tmp_path / ".bench.fleetmark-4567"
    for folder, age in ((left, 2 * 86_400), (young, 60)):
        make_site(folder, "left behind")
        stamp = folder.stat().st_mtime - age
        os.utime(folder, (stamp, stamp))
    publish(make_site(tmp_path / "site", "new"), web, target)
    assert not left.exists()
    assert young.exists()
