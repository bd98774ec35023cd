"""A private key that others can read logs in nowhere: neither over SSH nor at an engine on TCP."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrator.config.docker_start import DockerStart
from integrator.launch.engine import Engine
from protocol.errors import UserError


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_for_tls_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    for path in files.values():
        path.write_text("never read\n")
    files["key"].chmod(mode)
    start = DockerStart.model_validate(
        {"host": "tcp://192.0.2.1:2376", "tls": {name: str(path) for name, path in files.items()}}
    )
    with pytest.raises(UserError, match=r"key\.pem: holds a private key, and others can read it") as refused:
        Engine(start).client()
    assert refused.value.advice == f"chmod 600 {files['key']}"
