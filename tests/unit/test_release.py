"""Which release of OpenVINO an installed one is."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from protocol.release import AskedRelease, is_release, short_version

INSTALLED = "2026.4.1-22982-e213a147257-releases/2026/4"


@pytest.mark.parametrize(
    ("version", "asked", "expected"),
    [
        (INSTALLED, "2026.4", True),
        (INSTALLED, "2026.4.1", True),
        (INSTALLED, "2026.4.0", False),
        (INSTALLED, "2026.40", False),
        (INSTALLED, "2026.1", False),
        (INSTALLED, "2025.4", False),
        (INSTALLED, "auto", True),
        ("2025.10.0-1-x", "2025.1", False),
        ("2025.4.0-20398-abc", "2025.4", True),
        ("2025.4", "2025.4.0", False),
        ("custom build", "2026.4", False),
        ("", "2026.4", False),
        ("", "auto", True),
    ],
)
def test_which_release_an_openvino_is(version: str, asked: str, expected: bool) -> None:
    assert is_release(version, asked) is expected


def test_a_version_in_short() -> None:
    assert short_version(INSTALLED) == "2026.4.1"
    assert short_version("custom build") == "custom build"


@pytest.mark.parametrize("asked", ["2026", "2026.4.1.2", "v2026.4", "2026.4 ", "2026.4\n", "", "new", 2026.4])
def test_what_is_no_release(asked: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AskedRelease).validate_python(asked, strict=True)
