"""A site brought to a folder and to real git repositories, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from integrator.cli import app
from integrator.publish_to.destination import GitBranch
from integrator.publish_to.folder import publish_to_folder
from integrator.publish_to.git import publish_to_git
from protocol.errors import FleetmarkError, UserError
from tests.integration.openssh import openssh

RECORDED = Path(__file__).parents[1] / "recorded" / "plain-conditions"


@pytest.fixture(autouse=True)
def _a_user_without_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\n\tname = Tester\n\temail = tester@example.org\n"
        "[core]\n\tautocrlf = true\n\thooksPath = /nonexistent\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    for name in [name for name in os.environ if name.startswith("GIT_") and name != "GIT_CONFIG_GLOBAL"]:
        monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path / "site", "first")


def make_site(folder: Path, words: str) -> Path:
    (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"<p>{words}</p>\r\n")
    (folder / "data" / "results.json").write_text("{}\n")
    (folder / "data" / "raw" / "a.json.gz").write_bytes(b"\0\r\n\1")
    (folder / ".gitignore").write_text("raw/\n")  # were one there, it would hide nothing
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "lab.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    return folder


def published(bare: Path, tmp_path: Path, branch: str = "gh-pages") -> dict[str, bytes]:
    clone = tmp_path / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    git(tmp_path, "-c", "core.autocrlf=false", "clone", "--quiet", "--branch", branch, str(bare), str(clone))
    shutil.rmtree(clone / ".git")
    return files_of(clone)


def test_a_branch_begins_with_the_sites_files_and_nothing_else(
    site: Path, bare: Path, tmp_path: Path
) -> None:
    commit = publish_to_git(site, GitBranch(f"file://{bare}", "gh-pages"), "fleetmark one")
    assert published(bare, tmp_path) == {**files_of(site), ".nojekyll": b""}
    assert git(bare, "rev-list", "gh-pages").split() == [commit]
    assert git(bare, "log", "-1", "--format=%an %s", "gh-pages") == "Tester fleetmark one"


def test_a_branch_is_continued_by_one_commit_and_keeps_its_history(
    site: Path, bare: Path, tmp_path: Path
) -> None:
    target = GitBranch(str(bare), "gh-pages")
    first = publish_to_git(site, target, "one")
    (site / "data" / "raw" / "a.json.gz").unlink()
    make_site(site, "second")
    (site / "data" / "raw" / "a.json.gz").rename(site / "data" / "raw" / "b.json.gz")
    second = publish_to_git(site, target, "two")
    assert git(bare, "rev-list", "gh-pages").split() == [second, first]
    assert published(bare, tmp_path) == {**files_of(site), ".nojekyll": b""}


def test_what_is_there_already_makes_no_commit(site: Path, bare: Path) -> None:
    target = GitBranch(str(bare), "gh-pages")
    publish_to_git(site, target, "one")
    assert publish_to_git(site, target, "two") is None
    assert len(git(bare, "rev-list", "gh-pages").split()) == 1


def test_a_branch_of_somebody_else_is_left_alone(site: Path, bare: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    (work / "README").write_text("mine\n")
    git(work, "checkout", "--quiet", "-b", "main")
    git(work, "add", "README")
    git(work, "commit", "--quiet", "-m", "mine")
    git(work, "push", "--quiet", "origin", "main")
    with pytest.raises(UserError, match="did not publish"):
        publish_to_git(site, GitBranch(str(bare), "main"), "one")
    assert git(bare, "log", "--format=%s", "main") == "mine"


def test_the_address_of_the_pages_stays(site: Path, bare: Path, tmp_path: Path) -> None:
    target = GitBranch(str(bare), "gh-pages")
    publish_to_git(site, target, "one")
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", "--branch", "gh-pages", str(bare), str(work))
    (work / "CNAME").write_text("bench.example.org\n")
    git(work, "add", "CNAME")
    git(work, "commit", "--quiet", "-m", "address")
    git(work, "push", "--quiet")
    make_site(site, "second")
    publish_to_git(site, target, "two")
    assert published(bare, tmp_path)["CNAME"] == b"bench.example.org\n"
    assert git(bare, "log", "--format=%s", "gh-pages").split() == ["two", "address", "one"]


def test_a_commit_that_came_in_between_is_not_lost(site: Path, bare: Path, tmp_path: Path) -> None:
    """The server's hook makes somebody else push first, once, in the middle of our push."""
    target = GitBranch(str(bare), "gh-pages")
    publish_to_git(site, target, "one")
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", "--branch", "gh-pages", str(bare), str(work))
    (work / "index.html").write_text("<p>theirs</p>")
    git(work, "commit", "--quiet", "-a", "-m", "theirs")
    hook = bare / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\ncat > /dev/null\nrm -f hooks/pre-receive\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY "
        f"GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_DIR\ngit -C {work} push --quiet\n"
    )
    hook.chmod(0o755)
    git(bare, "config", "core.hooksPath", str(bare / "hooks"))
    make_site(site, "second")
    publish_to_git(site, target, "two")
    assert git(bare, "log", "--format=%s", "gh-pages").split() == ["two", "theirs", "one"]
    assert published(bare, tmp_path) == {**files_of(site), ".nojekyll": b""}


def test_a_refused_push_is_told_and_changes_nothing(site: Path, bare: Path) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'not today' >&2\nexit 1\n")
    hook.chmod(0o755)
    git(bare, "config", "core.hooksPath", str(bare / "hooks"))
    with pytest.raises(FleetmarkError, match="not today"):
        publish_to_git(site, GitBranch(str(bare), "gh-pages"), "one")
    assert git(bare, "for-each-ref") == ""


def test_a_checked_out_branch_is_refused_with_advice(site: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "init", "--quiet", str(work))
    publish_to_git(site, GitBranch(str(work), "pages"), "one")
    git(work, "checkout", "--quiet", "pages")
    make_site(site, "second")
    with pytest.raises(FleetmarkError, match="git push failed") as error:
        publish_to_git(site, GitBranch(str(work), "pages"), "two")
    assert "bare repository" in error.value.advice


def test_a_repository_that_is_not_there(site: Path, tmp_path: Path) -> None:
    with pytest.raises(FleetmarkError, match="git ls-remote failed"):
        publish_to_git(site, GitBranch(f"file://{tmp_path}/none.git", "pages"), "one")


def test_a_branch_behind_ssh_is_pushed_to_once_its_host_key_is_known(
    site: Path, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with openssh(tmp_path / "sshd") as server:
        target = GitBranch(f"{server.url}{bare}", "gh-pages")
        known = tmp_path / "known_hosts"
        known.write_text("")
        command = f"ssh -F none -i {server.key_file} -o UserKnownHostsFile={known}"
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
        with pytest.raises(FleetmarkError, match="Host key verification failed") as error:
            publish_to_git(site, target, "one")
        assert "ssh-keyscan" in error.value.advice
        shutil.copy(server.known_hosts, known)
        publish_to_git(site, target, "one")
    assert published(bare, tmp_path) == {**files_of(site), ".nojekyll": b""}


def test_a_folder_is_replaced_as_a_whole(site: Path, tmp_path: Path) -> None:
    target = tmp_path / "www" / "bench"
    publish_to_folder(site, target)
    assert files_of(target) == files_of(site)
    (site / "data" / "raw" / "a.json.gz").unlink()
    publish_to_folder(site, target)
    assert files_of(target) == files_of(site)
    assert [path.name for path in target.parent.iterdir()] == ["bench"]


def test_a_folder_of_somebody_else_is_left_alone(site: Path, tmp_path: Path) -> None:
    target = tmp_path / "www"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="did not publish"):
        publish_to_folder(site, target)
    assert (target / "thesis.txt").read_text() == "years of work"
    with pytest.raises(UserError, match="where the site is made"):
        publish_to_folder(site, site / "copy")


def test_a_campaign_is_published_to_a_branch_and_a_folder(bare: Path, tmp_path: Path) -> None:
    campaign = tmp_path / "campaign"
    shutil.copytree(RECORDED, campaign)
    run = CliRunner().invoke
    for destination in (["--to", str(tmp_path / "www")], ["--to", str(bare), "--branch", "pages"]):
        result = run(app, ["publish", str(campaign), *destination])
        assert result.exit_code == 0, result.output
        assert "Published: " in result.output
    assert files_of(tmp_path / "www") == files_of(campaign / "site")
    assert published(bare, tmp_path, "pages") == {**files_of(campaign / "site"), ".nojekyll": b""}


def test_a_campaign_under_way_is_published_as_partial(bare: Path, tmp_path: Path) -> None:
    campaign = tmp_path / "campaign"
    shutil.copytree(RECORDED, campaign)
    gone = sorted((campaign / "raw" / "box").glob("tiny-*.json.gz"))[:2]
    for file in gone:
        file.unlink()
    result = CliRunner().invoke(app, ["publish", str(campaign), "--to", f"git+file://{bare}#pages"])
    assert result.exit_code == 0, result.output
    assert "partial: 1 test of 4 not run" in result.output
    assert "partial: 1 test of 4 not run" in git(bare, "log", "-1", "--format=%s", "pages")
