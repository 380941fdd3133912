"""What a user may be told: one class per exit code, each error with the next command to type."""

from __future__ import annotations


class ClouderError(Exception):
    """A failure with a cause the user can act on; the CLI prints it without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details = details


class UsageError(ClouderError):
    """The command line is wrong."""

    exit_code = 2


class SpecError(ClouderError):
    """The cluster spec, or a configuration file, is wrong; nothing was created."""

    exit_code = 3


class NotFoundError(ClouderError):
    """The named cluster, node, pod, checkpoint or bundle does not exist."""

    exit_code = 4


class AccessError(ClouderError):
    """This machine lacks something: a credential, a permission, Docker, terraform, disk."""

    exit_code = 5


class TerraformError(ClouderError):
    """Terraform failed, or its plan was refused."""

    exit_code = 6


class ConnectionFailed(ClouderError):
    """A host cannot be reached, or is not the host it should be."""

    exit_code = 7


class RemoteError(ClouderError):
    """A command on a host failed."""

    exit_code = 8


class NotReadyError(ClouderError):
    """Kubernetes did not become ready in time."""

    exit_code = 9


class Aborted(ClouderError):
    """The user said no, or another run holds the cluster."""

    exit_code = 10


class Interrupted(ClouderError):
    """Ctrl-C: everything was stopped cleanly and the next run goes on."""

    exit_code = 130
