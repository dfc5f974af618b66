"""The SDK against a real Tekton in a process of its own."""
