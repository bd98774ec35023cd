"""Clients that others wrote, with the options of docs/security.md: what a machine may and what not."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.account import Account
from tests.integration.ftp_program import PATIENCE_S, Program, running

SECURITY = Path(__file__).parents[2] / "docs/security.md"
LFTP, CURL = shutil.which("lftp"), shutil.which("curl")
needs_lftp = pytest.mark.skipif(LFTP is None, reason="lftp is not installed: apt-get install lftp")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed: apt-get install curl")

CAMPAIGN = "/machines/box/camp"
RESULT = "t1.0.json.gz"
PART = f"{RESULT}.part-0123456789abcdef"


@dataclass
class Box:
    """The machine `box`: its server, and a folder with what its owner made of the hand-over file."""

    program: Program
    account: Account
    work: Path

    def disk(self, path: str) -> Path:
        return self.program.disk(path)

    def curl(self, path: str, *options: str) -> tuple[int, str, list[str]]:
        """curl's exit code, what it printed, and the reply codes it got after the login."""
        assert CURL is not None
        url = f"ftp://{self.account.host}:{self.account.port}{path}"
        ran = subprocess.run(
            [CURL, "--config", "curlrc", "--verbose", *options, url],
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        replies = re.findall(r"^< ([0-9]{3}) ", ran.stderr, re.MULTILINE)
        return ran.returncode, ran.stdout, replies[replies.index("230") + 1 :]

    def lftp(self, *commands: str) -> tuple[str, list[tuple[str, str]]]:
        """What lftp printed, and each command that it sent with its reply code."""
        assert LFTP is not None
        script = self.work / "script"
        script.write_text("\n".join((*(self.work / "lftprc").read_text().splitlines(), "debug 5", *commands)))
        ran = subprocess.run(
            [LFTP, "--norc", "-f", str(script)],
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "HOME": str(self.work), "LC_ALL": "C.UTF-8"},
        )
        sent, replies = [], []
        for line in ran.stderr.splitlines():
            if line.startswith("---> "):
                sent.append(line[5:])
            elif (reply := re.match(r"<--- ([0-9]{3}) ", line)) and reply[1] not in {"220", "150", "125"}:
                replies.append(reply[1])
        return ran.stdout, list(zip(sent, replies, strict=False))


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with running("--max-connections-per-address", "0") as program:
        yield program


@pytest.fixture(scope="module")
def account(program: Program) -> Account:
    program.add("other")
    return program.add("box")


@pytest.fixture
def box(program: Program, account: Account, tmp_path: Path) -> Iterator[Box]:
    program.campaign("box")
    theirs = program.campaign("other")
    box = Box(program, account, tmp_path)
    _give(box, f"{CAMPAIGN}/job.json", b"my job")
    _give(box, f"{CAMPAIGN}/results/old.0.json.gz", b"there already")
    _give(box, f"{theirs}/t1.0.json.gz", b"theirs")
    _give(box, "/models/abc/model.bin", b"weights")
    secret = program.root / "secret"
    secret.write_text("not for clients")
    secret.chmod(0o644)
    box.disk(f"{CAMPAIGN}/link").symlink_to(secret)
    box.disk(f"{CAMPAIGN}/up").symlink_to(box.disk(theirs))
    (tmp_path / "ca.pem").write_text(account.ca_certificate)
    (tmp_path / "result").write_bytes(b"a result")
    curlrc, lftprc = tmp_path / "curlrc", tmp_path / "lftprc"
    for file in (curlrc, lftprc):
        file.touch(mode=0o600)
    facts = {"PASSWORD": account.password.get_secret_value(), "PORT": account.port, "HOST": account.host}
    for file in (curlrc, lftprc):
        text = _documented(file.name)
        for name, value in facts.items():
            text = text.replace(name, str(value))
        file.write_text(text)
    yield box
    for path in ("/machines/box", "/machines/other", "/models/abc"):
        shutil.rmtree(box.disk(path))


def _documented(name: str) -> str:
    """The content of a file as docs/security.md gives it."""
    found = re.search(rf"^`{name}`.*?^```text$(.*?)^```$", SECURITY.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].lstrip()


def _give(box: Box, path: str, content: bytes) -> None:
    """Put a file on the server's disk, as its user."""
    file = box.disk(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if os.geteuid() == 0:
        owner = box.program.root.stat()
        for each in (file, file.parent):
            os.chown(each, owner.st_uid, owner.st_gid)


# --- curl


@needs_curl
def test_curl_lists_and_fetches_what_the_machine_may(box: Box) -> None:
    assert box.curl("/machines/", "--list-only")[:2] == (0, "box\n")
    code, listed, _ = box.curl("/machines/box/camp/", "--list-only")
    assert (code, sorted(listed.split())) == (0, ["job.json", "results"])  # and no link
    assert box.curl(f"{CAMPAIGN}/job.json")[:2] == (0, "my job")
    assert box.curl("/models/abc/model.bin")[:2] == (0, "weights")


@needs_curl
def test_curl_pushes_a_result(box: Box) -> None:
    results = f"{CAMPAIGN}/results"
    code, _, replies = box.curl(
        f"{results}/{PART}",
        *("--upload-file", "result"),
        *("--quote", f"-RNFR {results}/{PART}", "--quote", f"-RNTO {results}/{RESULT}"),
    )
    assert (code, replies[-2:]) == (0, ["350", "250"])
    assert [path.name for path in box.disk(results).iterdir()].count(RESULT) == 1
    assert box.disk(f"{results}/{RESULT}").read_bytes() == b"a result"


@needs_curl
@pytest.mark.parametrize(
    "command",
    [
        f"DELE {CAMPAIGN}/job.json",
        f"DELE {CAMPAIGN}/results/old.0.json.gz",
        f"RMD {CAMPAIGN}/results",
        "MKD /machines/box/mine",
        "MKD /machines/third",
        "CWD /machines/other",
        "CWD /machines/box/../other",
        f"CWD {CAMPAIGN}/up",
        f"SIZE {CAMPAIGN}/link",
        f"HASH {CAMPAIGN}/link",
        "SIZE /machines/other/camp/results/t1.0.json.gz",
        "MLST /machines/other/camp",
        "MDTM /machines/other/camp/results/t1.0.json.gz",
        f"RNFR {CAMPAIGN}/job.json",
        "HASH /../secret",
    ],
)
def test_what_a_machine_may_not_is_550(box: Box, command: str) -> None:
    assert _quoted(box, command) == "550"


@needs_curl
@pytest.mark.parametrize(
    "command",
    [
        "SITE CHMOD 777 /machines/box/camp/job.json",
        "SITE HELP",
        "PORT 127,0,0,1,200,200",
        "EPRT |1|127.0.0.1|51400|",
        f"MFMT 20200101000000 {CAMPAIGN}/job.json",
        "STOU",
    ],
)
def test_what_nobody_may_is_an_unknown_command(box: Box, command: str) -> None:
    assert _quoted(box, command) == "500"


@needs_curl
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (PART, "t1.1.json.gz"),
        (PART, "../job.json"),
        (PART, "/machines/other/camp/results/t2.0.json.gz"),
        ("old.0.json.gz", "t1.0.json.gz"),
        ("old.0.json.gz.part-0123456789abcdef", "old.0.json.gz"),
    ],
)
def test_curl_renames_to_no_other_name_and_over_no_result(box: Box, source: str, target: str) -> None:
    results = f"{CAMPAIGN}/results"
    _give(box, f"{results}/{source}", b"there already")
    code, _, replies = box.curl(
        "/", "--quote", f"CWD {results}", "--quote", f"RNFR {source}", "--quote", f"RNTO {target}"
    )
    assert code == 21  # a quoted command was refused
    assert replies[-1] == "550"
    assert box.disk(f"{results}/{source}").exists()
    assert box.disk(f"{results}/old.0.json.gz").read_bytes() == b"there already"


@needs_curl
@pytest.mark.parametrize(
    "path",
    [
        f"{CAMPAIGN}/results/old.0.json.gz",
        f"{CAMPAIGN}/job.json",
        f"{CAMPAIGN}/notes.txt",
        "/models/abc/model.bin",
        "/machines/other/camp/results/t1.0.json.gz",
        "/anything",
    ],
)
def test_curl_stores_nothing_else(box: Box, path: str) -> None:
    before = box.disk(path).read_bytes() if box.disk(path).exists() else None
    code, _, replies = box.curl(path, "--upload-file", "result", "--ftp-method", "nocwd")
    assert (code, replies[-1]) == (25, "550")
    assert (box.disk(path).read_bytes() if box.disk(path).exists() else None) == before


@needs_curl
def test_curl_does_not_get_in_without_tls_nor_with_a_wrong_certificate(box: Box, tmp_path: Path) -> None:
    curlrc = box.work / "curlrc"
    curlrc.write_text(curlrc.read_text().replace("ssl-reqd\n", ""))
    ran = subprocess.run(
        [str(CURL), "--config", "curlrc", "--verbose", f"ftp://{box.account.host}:{box.account.port}/"],
        cwd=box.work,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, "< 550 SSL/TLS required" in ran.stderr) == (67, True)
    ran = subprocess.run(
        [
            str(CURL),
            "--ssl-reqd",
            "--silent",
            "--show-error",
            f"ftp://{box.account.host}:{box.account.port}/",
        ],
        cwd=box.work,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, "certificate" in ran.stderr) == (60, True)


def _quoted(box: Box, command: str) -> str:
    code, _, replies = box.curl("/", "--head", "--quote", command)
    assert code == 21
    return replies[-1]


# --- lftp


@needs_lftp
def test_lftp_lists_and_fetches_what_the_machine_may(box: Box) -> None:
    said, _ = box.lftp("cls -1 /machines", f"cls -1 {CAMPAIGN}", f"cat {CAMPAIGN}/job.json")
    assert said == f"/machines/box/\n{CAMPAIGN}/job.json\n{CAMPAIGN}/results/\nmy job"
    box.lftp("get /models/abc/model.bin -o got")
    assert (box.work / "got").read_bytes() == b"weights"


@needs_lftp
def test_lftp_mirrors_models_into_folders_that_their_owner_may_enter(box: Box) -> None:
    box.lftp("mirror /models got")
    folder = box.work / "got/abc"
    assert stat.S_IMODE(folder.stat().st_mode) & stat.S_IRWXU == stat.S_IRWXU
    assert (folder / "model.bin").read_bytes() == b"weights"


@needs_curl
def test_a_new_machine_finds_its_folder_and_nothing_in_it(program: Program, box: Box) -> None:
    shutil.rmtree(box.disk("/machines/box"))
    assert box.curl("/machines/", "--list-only")[:2] == (0, "box\n")
    assert box.curl("/machines/box/", "--list-only")[:2] == (0, "")
    box.disk(f"{CAMPAIGN}/results").mkdir(parents=True)  # for the next test to clear away


@needs_lftp
def test_lftp_pushes_a_result(box: Box) -> None:
    results = f"{CAMPAIGN}/results"
    _, replies = box.lftp(f"put result -o {results}/{PART}", f"mv {results}/{PART} {results}/{RESULT}")
    assert [reply for line, reply in replies if line.startswith("RNTO")] == ["250"]
    assert box.disk(f"{results}/{RESULT}").read_bytes() == b"a result"


@needs_lftp
@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (f"rm {CAMPAIGN}/job.json", "DELE"),
        (f"rmdir {CAMPAIGN}/results", "RMD"),
        (f"put result -o {CAMPAIGN}/results/old.0.json.gz", "STOR"),
        (f"mv {CAMPAIGN}/results/old.0.json.gz {CAMPAIGN}/results/t9.0.json.gz", "RNTO"),
        ("mkdir /machines/box/mine", "MKD"),
        ("cat /machines/other/camp/results/t1.0.json.gz", "RETR"),
        (f"cat {CAMPAIGN}/link", "RETR"),
        ("put result -o /machines/other/camp/results/t5.0.json.gz", "STOR"),
        ("cat /../secret", "RETR"),
    ],
)
def test_lftp_is_refused_the_rest(box: Box, command: str, sent: str) -> None:
    before = {path: path.read_bytes() for path in box.disk("/").rglob("*") if path.is_file()}
    said, replies = box.lftp(command)
    assert [reply for line, reply in replies if line.startswith(sent)] == ["550"]
    assert said == ""
    assert {path: path.read_bytes() for path in box.disk("/").rglob("*") if path.is_file()} == before


@needs_lftp
def test_lftp_does_not_get_in_with_a_certificate_that_nobody_vouches_for(box: Box) -> None:
    lftprc = box.work / "lftprc"
    lftprc.write_text(lftprc.read_text().replace("set ssl:ca-file ca.pem\n", ""))
    said, replies = box.lftp("cls -1 /machines")
    assert said == ""
    assert not [line for line, _ in replies if line.startswith(("USER", "PASS"))]
