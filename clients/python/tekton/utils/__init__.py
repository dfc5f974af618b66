"""The documented helper functions."""
