"""Everything that fleetmark raises on purpose.

    FleetmarkError
      LeaseError                another agent works on this machine
      UserError                 a file, an option or an account that its owner can put right
        ConfigurationError      lab.yaml or campaign.yaml, with every problem found
        ModelError              a model that cannot be read, built or shaped as asked
      DocumentError             a document that travelled is not what its name says
        NewerDocumentError      ... because the other side is newer
      TransferError             a file did not get across
        TransientTransferError  ... and may if tried again: connection refused, cut or silent
          ServerFullError       ... once there is room on the server's disk
        RefusedTransferError    ... and will not: no permission, no such file
          LoginRefusedError     ... because the account is not known by this password
          ContentConflictError  ... because a file of that name is there, with other content
        UntrustedServerError    ... because the server is not the one that the account names
      LaunchError               an agent could not be started, asked or ended
        UnreachableError        ... because its machine or engine does not answer, and may later
      CampaignError             a campaign ended without what was asked of it

Anything else that reaches the top of a program is a bug and ends it with exit code 2.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "EXIT_BUG",
    "EXIT_DONE",
    "EXIT_INTERRUPTED",
    "EXIT_USER",
    "CampaignError",
    "ConfigurationError",
    "ContentConflictError",
    "DocumentError",
    "FleetmarkError",
    "LaunchError",
    "LeaseError",
    "LoginRefusedError",
    "ModelError",
    "NewerDocumentError",
    "RefusedTransferError",
    "ServerFullError",
    "TransferError",
    "TransientTransferError",
    "UnreachableError",
    "UntrustedServerError",
    "UserError",
]

EXIT_DONE = 0
EXIT_USER = 1
EXIT_BUG = 2
EXIT_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class FleetmarkError(Exception):
    """A failure that was foreseen.

    `str(error)` says what happened and where; `advice`, where there is one, says what to do.
    """

    exit_code: int = EXIT_USER

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class LeaseError(FleetmarkError):
    """Another agent works on this machine, or has taken it over."""


class UserError(FleetmarkError):
    """Something its owner can put right."""


class ConfigurationError(UserError):
    """One or more problems in configuration files; `problems` holds a line for each."""

    def __init__(self, problems: Sequence[str], *, advice: str = "") -> None:
        super().__init__("\n".join(problems), advice=advice)
        self.problems = tuple(problems)


class ModelError(UserError):
    """A model that cannot be read, built or shaped as asked."""


class DocumentError(FleetmarkError):
    """A document that travelled is too large, not JSON, or not of its schema."""


class NewerDocumentError(DocumentError):
    """A document was written by a newer fleetmark than this one."""


class TransferError(FleetmarkError):
    """A file did not get across."""


class TransientTransferError(TransferError):
    """The connection was refused, cut or silent: the same call may succeed later."""


class ServerFullError(TransientTransferError):
    """The server's disk is full: to try again at once would fill it again."""


class RefusedTransferError(TransferError):
    """The server said no, and will say it again."""


class LoginRefusedError(RefusedTransferError):
    """The server does not know the account by this password."""


class ContentConflictError(RefusedTransferError):
    """A file of this name is there already, with other content, and is not replaced."""


class UntrustedServerError(TransferError):
    """The server's certificate is not vouched for by the CA that the account names."""


class LaunchError(FleetmarkError):
    """An agent could not be started, asked or ended."""


class UnreachableError(LaunchError):
    """The machine of an agent, or its engine, does not answer: the same call may succeed later."""


class CampaignError(FleetmarkError):
    """A campaign ended without what was asked of it."""
