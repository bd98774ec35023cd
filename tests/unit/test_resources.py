"""Files that come with the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrator import resources


def test_those_of_an_installed_wheel_come_before_those_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "integrator"
    monkeypatch.setattr(resources, "__file__", str(package / "resources.py"))
    with pytest.raises(FileNotFoundError, match="without its templates"):
        resources.find("templates")
    for folder in (tmp_path / "templates", package / "_templates"):
        folder.mkdir(parents=True)
        assert resources.find("templates") == folder


@pytest.mark.parametrize(("name", "file"), [("templates", "pages/index.html"), ("examples", "campaign.yaml")])
def test_they_are_there(name: str, file: str) -> None:
    assert (resources.find(name) / file).is_file()
