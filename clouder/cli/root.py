"""The top of the command line: its groups, and the options that stand before them."""

from __future__ import annotations

import click

from clouder import __version__
from clouder.cli.groups import Root
from clouder.cli.options import log_format_option

MODULES = {
    "k8s": "Clusters: create, look at, use and delete them.",
    "kubeadm": "The two halves of a create: machines, then Kubernetes.",
    "terraform": "The Terraform of a cluster: take it elsewhere, check it.",
    "azure": "Azure: the account, its regions and machines.",
    "aws": "AWS: the account, its regions and machines.",
    "ovh": "OVH: the project, its regions and machines.",
    "ctx": "Contexts: which provider is used when no flag says so.",
    "criu": "CRIU on the nodes: what works, what fails, the fix.",
    "checkpoint": "Freeze a running pod and bring it back on another node.",
    "bundle": "Bundles: the pinned packages and images of a node.",
    "spec": "The cluster spec: its JSON Schema, and what flags resolve to.",
    "doctor": "Check what this machine needs.",
    "completion": "Print the completion script of a shell.",
}
EXAMPLES = """\b
Examples:
  clouder doctor
  clouder k8s create demo --worker-count 2
  clouder k8s use demo
  clouder checkpoint create demo POD
  clouder k8s delete demo"""


@click.group(
    cls=Root,
    modules=MODULES,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, message="clouder %(version)s")
@log_format_option
def root() -> None:
    """From a short spec to a Kubernetes cluster that can checkpoint a running pod
    and restore it on another node."""
