"""Clouder: from a short spec to a Kubernetes cluster that can checkpoint and restore pods."""

__version__ = "0.1.0"
