"""The Tekton server: the control plane for a fleet of AI components."""
