"""A site as one commit on a branch of a git repository, as GitHub Pages and its like serve it.

The program `git` does it, in a repository of its own in a temporary folder: no work tree of the user is
touched. The branch is continued, or begins without history; nothing is ever pushed by force.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from integrator.publish_to.destination import GitBranch
from integrator.publish_to.folder import MARK
from protocol.errors import FleetmarkError, UserError

__all__ = ["publish_to_git"]

_TIMEOUT_S = 600.0
_ATTEMPTS = 3
"""Somebody else may push to the branch between our fetch and our push."""
_KEPT = ("CNAME",)
"""Files of the branch that are the site's address and not its content."""
_NOBODY = {
    "GIT_AUTHOR_NAME": "fleetmark",
    "GIT_AUTHOR_EMAIL": "fleetmark@localhost",
    "GIT_COMMITTER_NAME": "fleetmark",
    "GIT_COMMITTER_EMAIL": "fleetmark@localhost",
}


def publish_to_git(site: Path, target: GitBranch, message: str) -> str | None:
    """Push a commit of the site's files and nothing else; its id, or None where the branch has them.

    Raises:
        UserError: git is not installed; the branch holds something that fleetmark did not publish.
        FleetmarkError: the repository cannot be reached, or does not take the commit.
    """
    if shutil.which("git") is None:
        raise UserError("git is not installed", advice="apt install git")
    with tempfile.TemporaryDirectory(prefix="fleetmark-publish-") as temporary:
        repository = _Repository(Path(temporary) / "repository.git", target)
        repository.git("init", "--quiet", "--bare", str(repository.folder))
        for attempt in range(1, _ATTEMPTS + 1):
            parent = repository.fetch()
            tree = repository.tree_of(site, parent)
            if parent and repository.tree_in(parent) == tree:
                return None
            commit = repository.commit(tree, parent, message)
            if repository.push(commit, last=attempt == _ATTEMPTS):
                return commit
    raise AssertionError  # the last push succeeds or raises


@dataclass(frozen=True)
class _Repository:
    folder: Path
    target: GitBranch

    def fetch(self) -> str | None:
        """The branch's last commit, without its history; None where there is no such branch."""
        ref = f"refs/heads/{self.target.branch}"
        listed = self.git("ls-remote", "--", self.target.url, ref)
        if not listed.split():
            return None
        self.git(
            "fetch", "--quiet", "--no-tags", "--depth=1", "--", self.target.url, f"+{ref}:refs/published"
        )
        return self.git("rev-parse", "refs/published").strip()

    def tree_in(self, commit: str) -> str:
        return self.git("rev-parse", f"{commit}^{{tree}}").strip()

    def tree_of(self, site: Path, parent: str | None) -> str:
        """A tree of the site's files as they are: no attributes and no filters of the user change them."""
        index = self.folder / "published.index"
        index.unlink(missing_ok=True)
        plain = {
            "GIT_INDEX_FILE": str(index),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for name, value in {"bare": "false", "autocrlf": "false", "fileMode": "false"}.items():
            self.git("config", f"core.{name}", value)
        self.git("add", "--all", "--force", ".", environment={**plain, "GIT_WORK_TREE": str(site.resolve())})
        empty = self.git("hash-object", "-w", "--stdin").strip()
        files = {".nojekyll": empty, **(self._kept(parent) if parent else {})}
        for name, blob in files.items():
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", environment=plain)
        return self.git("write-tree", environment=plain).strip()

    def _kept(self, parent: str) -> dict[str, str]:
        """Blobs of the branch that stay, by name.

        Raises:
            UserError: the branch is not one that fleetmark published.
        """
        lines = self.git("ls-tree", "-r", "-z", parent).split("\0")
        blobs = {
            name: fields.split()[2] for line in lines if line for fields, _, name in [line.partition("\t")]
        }
        if not {*blobs} <= {".nojekyll", *_KEPT} and MARK not in blobs:
            raise UserError(
                f"{self.target}: the branch holds something that fleetmark did not publish",
                advice="Name another branch with --branch; one that is not there yet is made.",
            )
        return {name: blobs[name] for name in _KEPT if name in blobs}

    def commit(self, tree: str, parent: str | None, message: str) -> str:
        known = self.git("config", "--default", "", "user.email").strip()
        above = ("-p", parent) if parent else ()
        environment = {} if known or "GIT_AUTHOR_EMAIL" in os.environ else _NOBODY
        return self.git("commit-tree", tree, *above, "-m", message, environment=environment).strip()

    def push(self, commit: str, *, last: bool) -> bool:
        """Whether the branch took the commit; False where it has moved meanwhile, but for the `last` try."""
        refs = f"{commit}:refs/heads/{self.target.branch}"
        done = self._run("push", "--quiet", "--porcelain", "--", self.target.url, refs)
        if done.returncode == 0:
            return True
        words = f"{done.stdout}\n{done.stderr}"
        moved = any(sign in words for sign in ("fetch first", "non-fast-forward", "cannot lock ref"))
        if moved and not last:
            return False
        raise self._failed("push", words)

    def git(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        done = self._run(*arguments, environment=environment)
        if done.returncode != 0:
            raise self._failed(arguments[0], done.stderr)
        return done.stdout

    def _failed(self, doing: str, words: str) -> FleetmarkError:
        advice = ""
        if "denyCurrentBranch" in words or "checked out" in words:
            advice = "The branch is checked out there: push to a bare repository, or name another --branch."
        elif "Host key verification failed" in words:
            advice = "Show and add the host's key with: ssh-keyscan HOST | ssh-keygen -lf -"
        elif "could not read Username" in words or "Permission denied" in words:
            advice = "Log in with a key (ssh-add) or a credential helper (git help credentials)."
        return FleetmarkError(f"{self.target}: git {doing} failed: {words.strip()[-2000:]}", advice=advice)

    def _run(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"}
        }
        ours = {"LC_ALL": "C", "GIT_SSH_COMMAND": _ssh_command()}
        if not sys.stdin.isatty():
            ours["GIT_TERMINAL_PROMPT"] = "0"
        try:
            return subprocess.run(  # noqa: S603  # the words are ours, and a URL stands behind `--`
                ["git", f"--git-dir={self.folder}", *arguments],  # noqa: S607  # the user's own git
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                env={**inherited, **ours, **(environment or {})},
            )
        except subprocess.TimeoutExpired as error:
            raise FleetmarkError(f"{self.target}: git did not end within {_TIMEOUT_S:.0f} s") from error


def _ssh_command() -> str:
    """A host whose key is not known is refused, as everywhere in fleetmark."""
    batch = "" if sys.stdin.isatty() else " -o BatchMode=yes"
    return f"{os.environ.get('GIT_SSH_COMMAND', 'ssh')} -o StrictHostKeyChecking=yes{batch}"
