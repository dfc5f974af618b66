"""Tekton: the control plane for fleets of AI components. This package is the SDK; importing it loads nothing heavy."""

__version__ = "0.1.0"
