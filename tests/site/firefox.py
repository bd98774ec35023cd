"""Firefox for the tests of the site, by its own remote protocol: lengths and JSON over a local socket.

Selenium needs the program geckodriver, which Debian does not have; it does no more than translate into this.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIREFOX = Path("/usr/bin/firefox-esr")
_START_S, _ANSWER_S, _END_S = 60, 60, 30
_PREFERENCES = {
    "marionette.port": 0,  # any that is free; the profile's folder names it
    "security.fileuri.strict_origin_policy": True,  # as a user has it
    # No network: what Firefox or a page asks of it goes to a port where nothing listens.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
}
_ERRORS = """
    return Services.console.getMessageArray()
        .filter((each) => each instanceof Ci.nsIScriptError && !(each.flags & Ci.nsIScriptError.warningFlag))
        .filter((each) => /^(file|data|blob):/.test(each.sourceName))
        .map((each) => `${each.sourceName}:${each.lineNumber}: ${each.errorMessage}`);
"""


class Firefox:
    """A running Firefox; `firefox(profile)` starts one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._count = 0
        self._receive()  # its greeting
        self._ask("WebDriver:NewSession", capabilities={})

    def open(self, url: str) -> None:
        """The page, loaded."""
        self._ask("WebDriver:Navigate", url=url)

    def run(self, script: str) -> Any:
        """What a script in the page returns."""
        return self._ask("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def errors(self) -> list[str]:
        """Errors of scripts and styles of all pages so far."""
        self._ask("Marionette:SetContext", value="chrome")
        try:
            found: list[str] = self.run(_ERRORS)
        finally:
            self._ask("Marionette:SetContext", value="content")
        return found

    def quit(self) -> None:
        """Ends the program."""
        self._ask("Marionette:Quit", flags=["eForceQuit"])

    def _ask(self, command: str, **parameters: object) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, answer = self._receive()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return answer

    def _receive(self) -> Any:
        while b":" not in self._received:
            self._more()
        length, _, self._received = self._received.partition(b":")
        while len(self._received) < int(length):
            self._more()
        message, self._received = self._received[: int(length)], self._received[int(length) :]
        return json.loads(message)

    def _more(self) -> None:
        part = self._connection.recv(1 << 16)
        if not part:
            raise RuntimeError("Firefox has closed the connection")
        self._received += part


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox without a window, with a new profile in this folder."""
    lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in _PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))
    command = [str(FIREFOX), "--headless", "--no-remote", "--marionette", "-remote-allow-system-access"]
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--profile", str(profile)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(profile)},
        )
    try:
        with socket.create_connection(
            ("127.0.0.1", _port(process, profile)), timeout=_ANSWER_S
        ) as connection:
            browser = Firefox(connection)
            yield browser
            browser.quit()
        process.wait(_END_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], profile: Path) -> int:
    file = profile / "MarionetteActivePort"
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        if file.exists() and (text := file.read_text().strip()):
            return int(text)
        time.sleep(0.05)
    raise RuntimeError("Firefox did not start: " + (profile / "log").read_text(errors="replace")[-1000:])
