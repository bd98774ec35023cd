"""Reading lab.yaml and campaign.yaml whole: every problem of a file in one error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from integrator.config.campaign import Campaign
from integrator.config.checks import check_campaign, check_lab, check_machines
from integrator.config.lab import Lab
from integrator.config.section import SCHEMA_VERSION, ConfigFile, Reading
from integrator.config.wording import problems_of
from integrator.config.yaml_source import Problem, read_source
from protocol.errors import ConfigurationError

__all__ = ["load_both", "load_campaign", "load_lab"]

_File = TypeVar("_File", bound=ConfigFile)


def load_lab(path: Path) -> Lab:
    """Read and check a lab.yaml.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    return _load(path, Lab, (), check_lab)


def load_campaign(path: Path, builtin_models: Collection[str]) -> Campaign:
    """Read and check a campaign.yaml; `builtin_models` are the names that need no path.

    Paths of models are relative to the file's folder, and must exist. Names of machines are not checked: see
    `load_both`.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    return _load(path, Campaign, builtin_models, check_campaign)


def load_both(lab_path: Path, campaign_path: Path, builtin_models: Collection[str]) -> tuple[Lab, Campaign]:
    """Read and check both files, and the names of machines in the one against the other.

    Raises:
        ConfigurationError: with every problem of both files.
    """
    problems: list[str] = []
    lab: Lab | None = None
    campaign: Campaign | None = None
    try:
        lab = load_lab(lab_path)
    except ConfigurationError as error:
        problems += error.problems
    try:
        campaign = load_campaign(campaign_path, builtin_models)
    except ConfigurationError as error:
        problems += error.problems
    if lab is None or campaign is None:
        raise ConfigurationError(problems)
    _raise_if_any(check_machines(lab, campaign))
    return lab, campaign


def _load(
    path: Path,
    model: type[_File],
    builtin_models: Collection[str],
    check: Callable[[_File], list[Problem]],
) -> _File:
    source = read_source(path)
    version = source.value.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        sentence = f"{version} is newer than this program knows ({SCHEMA_VERSION}); update fleetmark"
        _raise_if_any([source.problem(("schema_version",), sentence)])
    reading = Reading(source, path.parent, builtin_models)
    problems = list(source.problems)
    value = source.value
    try:
        document = model.model_validate(value, context=reading)
    except ValidationError as error:
        problems += problems_of(error, model, source)
        rest = _without_wrong_keys(value, error)
        try:
            document = model.model_validate(rest, context=reading)
        except ValidationError:
            raise _error(problems) from None
    document.comes_from(source)
    problems += check(document)
    _raise_if_any(problems)
    return document


def _without_wrong_keys(value: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """What is left of a document that its further checks can be made on, so that one reading finds all.

    Rules speak of models and of the matrix, and cannot be checked without them.
    """
    wrong = {details["loc"][0] for details in error.errors(include_url=False, include_context=False)}
    if wrong & {"models", "matrix"}:
        wrong |= {"exclude", "include"}
    stand_in = {"schema_version": SCHEMA_VERSION, "name": "x"}
    return {**stand_in, **{key: item for key, item in value.items() if key not in wrong}}


def _raise_if_any(problems: Iterable[Problem]) -> None:
    if found := list(problems):
        raise _error(found)


def _error(problems: Iterable[Problem]) -> ConfigurationError:
    return ConfigurationError([str(problem) for problem in sorted(problems)])
