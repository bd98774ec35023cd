"""`fleetmark schema`: the JSON Schemas of lab.yaml and campaign.yaml."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from integrator.config import campaign_schema, lab_schema

__all__ = ["File", "schema"]


class File(StrEnum):
    """A file that users write."""

    LAB = "lab"
    CAMPAIGN = "campaign"


def schema(file: Annotated[File, typer.Argument(help="Which file's schema.")]) -> None:
    """Print the JSON Schema of lab.yaml or campaign.yaml, for an editor to complete and check them.

    Example:  fleetmark schema campaign > campaign.schema.json
    """
    made = lab_schema() if file is File.LAB else campaign_schema()
    json.dump(made, sys.stdout, indent=2)
    sys.stdout.write("\n")
