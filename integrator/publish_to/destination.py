"""Where a site is published to, as the command line writes it. Pure but for looking at a local path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from protocol.errors import UserError

__all__ = ["DEFAULT_BRANCH", "Destination", "Folder", "GitBranch", "Sftp", "parse_destination"]

DEFAULT_BRANCH = "gh-pages"
_GIT = ("git+ssh", "git+https", "git+file")
_FORMS = (
    "A folder, sftp://user@host/path, git+ssh://user@host/path, git+https://host/path, git+file:///path, "
    "or a local repository with --branch."
)
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this computer, which becomes the site."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Sftp:
    """A folder on a server that is reached over SSH."""

    user: str
    host: str
    port: int
    path: str
    """Absolute; `~/…` of the URL is relative to where the login begins."""

    def __str__(self) -> str:
        port = "" if self.port == _SSH_PORT else f":{self.port}"
        return f"sftp://{self.user}@{self.host}{port}/{self.path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class GitBranch:
    """A branch of a repository that git can push to."""

    url: str
    """As git has it, without a secret."""
    branch: str

    def __str__(self) -> str:
        return f"{self.url}, branch {self.branch}"


Destination = Folder | Sftp | GitBranch
_SSH_PORT = 22


def parse_destination(text: str, branch: str | None) -> Destination:
    """Read `--to` and `--branch`.

    Raises:
        UserError: it names no place that a site could be published to.
    """
    if text.startswith("sftp://"):
        if branch:
            raise UserError(f"{text}: SFTP has no branches", advice="Leave --branch away.")
        return _sftp(text)
    if text.startswith(tuple(f"{scheme}://" for scheme in _GIT)):
        return _git(text, branch)
    if "://" in text:
        raise UserError(f"{_safe(text)}: no place that a site can be published to", advice=_FORMS)
    path = Path(text).expanduser()
    if branch:
        if not _is_repository(path):
            raise UserError(
                f"{path}: no git repository", advice="Leave --branch away to publish to a folder."
            )
        return GitBranch(str(path.resolve()), _branch(branch))
    if _is_repository(path):
        raise UserError(
            f"{path}: a git repository", advice="Name a branch with --branch, or a folder of its own."
        )
    return Folder(path)


def _sftp(text: str) -> Sftp:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or _SSH_PORT
    except ValueError as error:
        raise UserError(f"{_safe(text)}: {error}", advice=_FORMS) from None
    if parts.password is not None:
        raise _password(text)
    user, path = parts.username or "", unquote(parts.path)
    if not _NAME.fullmatch(user):
        raise UserError(f"{text}: does not say which user logs in", advice="sftp://user@host/path")
    if not (_NAME.fullmatch(host) or re.fullmatch(r"[0-9A-Fa-f:.]{2,45}", host)):
        raise UserError(f"{text}: names no host", advice="sftp://user@host/path")
    words = path.strip("/").split("/")
    if parts.query or parts.fragment or not path.strip("/~") or ".." in words or not path.isprintable():
        raise UserError(f"{text}: names no folder", advice="sftp://user@host/path")
    plain = "/".join(word for word in words if word not in {"", "."})
    return Sftp(user, host, port, plain[2:] if plain.startswith("~/") else f"/{plain}")


def _git(text: str, branch: str | None) -> GitBranch:
    url, _, named = text.removeprefix("git+").partition("#")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(f"{_safe(text)}: {error}", advice=_FORMS) from None
    if parts.password is not None:
        raise _password(text)
    if parts.scheme == "https" and parts.username is not None:
        raise UserError(
            f"{_safe(text)}: a name or token in the URL would be seen by every user of this computer",
            advice="Leave it away; git asks its credential helper (git help credentials).",
        )
    host_is_odd = parts.hostname is not None and parts.hostname.startswith("-")
    if host_is_odd or not parts.path.strip("/") or (parts.scheme != "file" and not parts.hostname):
        raise UserError(f"{text}: names no repository", advice=_FORMS)
    if branch and named and branch != named:
        raise UserError(f"{text}: names another branch than --branch {branch}", advice="Give one of them.")
    return GitBranch(url, _branch(branch or named or DEFAULT_BRANCH))


def _branch(name: str) -> str:
    if not _BRANCH.fullmatch(name) or any(part in name for part in ("..", "//", "/.", ".lock")):
        raise UserError(f"{name!r} is no name for a branch", advice="Such as gh-pages.")
    return name.rstrip("/")


def _is_repository(path: Path) -> bool:
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def _password(text: str) -> UserError:
    return UserError(
        f"{_safe(text)}: a password in the command line would be seen by every user of this computer",
        advice="Leave it away and log in with a key (ssh-add), or with git's credential helper.",
    )


def _safe(text: str) -> str:
    """Without what may be a secret: messages end in logs."""
    return re.sub(r"//[^/@]*@", "//…@", text)
