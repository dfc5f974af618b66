"""How fast Tekton is: every row of the design's table against the bare stack, in one run on one machine."""
