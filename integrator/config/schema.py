"""JSON Schemas of lab.yaml and campaign.yaml, for editors that complete and check while one types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from integrator.config.campaign import Campaign
from integrator.config.lab import Lab

__all__ = ["campaign_schema", "lab_schema", "schema_files", "write_schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def lab_schema() -> dict[str, Any]:
    """The JSON Schema of lab.yaml."""
    return _schema(Lab)


def campaign_schema() -> dict[str, Any]:
    """The JSON Schema of campaign.yaml.

    It knows the form and the values of every key, and not what needs other files: names of built-in models
    and of machines, and whether a path exists.
    """
    return _schema(Campaign)


def schema_files() -> dict[str, str]:
    """The text of each schema by its file name, as examples/schemas holds them."""
    schemas = {"campaign.schema.json": campaign_schema(), "lab.schema.json": lab_schema()}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def write_schemas(folder: Path) -> None:
    """Write the schemas into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": _DIALECT, **model.model_json_schema(mode="validation")}
