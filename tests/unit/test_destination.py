"""Where a site may be published to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrator.publish_to import destination_of
from integrator.publish_to.destination import Folder, GitBranch, Sftp, parse_destination
from protocol.errors import UserError


@pytest.mark.parametrize(
    ("text", "branch", "destination"),
    [
        ("public/bench", None, Folder(Path("public/bench"))),
        ("sftp://www@host/srv/www/bench", None, Sftp("www", "host", 22, "/srv/www/bench")),
        ("sftp://www@host:2222/~/bench/", None, Sftp("www", "host", 2222, "bench")),
        ("sftp://www@[fe80::1]/srv//a%20b/./c", None, Sftp("www", "fe80::1", 22, "/srv/a b/c")),
        ("git+ssh://git@host/lab/site.git", None, GitBranch("ssh://git@host/lab/site.git", "gh-pages")),
        ("git+https://host/lab/site.git#pages", None, GitBranch("https://host/lab/site.git", "pages")),
        ("git+file:///srv/site.git", "www/bench", GitBranch("file:///srv/site.git", "www/bench")),
    ],
)
def test_destinations(text: str, branch: str | None, destination: object) -> None:
    assert parse_destination(text, branch) == destination


@pytest.mark.parametrize(
    ("text", "branch", "message"),
    [
        ("http://host/site", None, "no place"),
        ("ftp://user:secret@host/site", None, "no place"),
        ("sftp://host/srv", None, "which user"),
        ("sftp://www@/srv", None, "no host"),
        ("sftp://www@host", None, "no folder"),
        ("sftp://www@host/~", None, "no folder"),
        ("sftp://www@host/srv/../etc", None, "no folder"),
        ("sftp://www@host:port/srv", None, "Port could not be cast|port"),
        ("sftp://www@host/srv", "pages", "no branches"),
        ("sftp://www:secret@host/srv", None, "a password in the command line"),
        ("git+https://token@host/site.git", None, "name or token"),
        ("git+https://me:secret@host/site.git", None, "a password in the command line"),
        ("git+ssh://-oProxyCommand=x/site.git", None, "no repository"),
        ("git+https:///site.git", None, "no repository"),
        ("git+file:///site.git#a", "b", "another branch"),
        ("git+file:///site.git#-f", None, "no name for a branch"),
        ("git+file:///site.git", "a..b", "no name for a branch"),
        ("/nowhere/at/all", "pages", "no git repository"),
    ],
)
def test_what_is_no_destination(text: str, branch: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        parse_destination(text, branch)
    assert "secret" not in f"{error.value}{error.value.advice}"
    assert "token@" not in f"{error.value}{error.value.advice}"


def test_a_repository_needs_a_branch(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(UserError, match="a git repository"):
        parse_destination(str(tmp_path), None)
    assert parse_destination(str(tmp_path), "pages") == GitBranch(str(tmp_path), "pages")


def test_a_branch_of_nothing_is_refused() -> None:
    assert destination_of(None, None) is None
    with pytest.raises(UserError, match="of which repository"):
        destination_of(None, "pages")
