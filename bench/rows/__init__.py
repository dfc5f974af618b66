"""The rows of the design's table."""
