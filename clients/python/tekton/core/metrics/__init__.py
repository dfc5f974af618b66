"""The documented metrics of a component."""
