"""lab.yaml and campaign.yaml: read, checked whole, and refused in the user's words with line and column."""

from __future__ import annotations

from integrator.config.campaign import Campaign, InputRange, ModelEntry
from integrator.config.checks import check_machines
from integrator.config.docker_start import DockerStart
from integrator.config.lab import Lab, LabMachine
from integrator.config.loading import load_both, load_campaign, load_lab
from integrator.config.preprocess import PreprocessEntry
from integrator.config.schema import campaign_schema, lab_schema
from integrator.config.selection import Extra, Matrix, Rule
from integrator.config.server import ServerSection
from integrator.config.yaml_source import Problem

__all__ = [
    "Campaign",
    "DockerStart",
    "Extra",
    "InputRange",
    "Lab",
    "LabMachine",
    "Matrix",
    "ModelEntry",
    "PreprocessEntry",
    "Problem",
    "Rule",
    "ServerSection",
    "campaign_schema",
    "check_machines",
    "lab_schema",
    "load_both",
    "load_campaign",
    "load_lab",
]
