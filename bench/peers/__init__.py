"""Others that do some of Tekton's work, measured the same way on the same machine."""
