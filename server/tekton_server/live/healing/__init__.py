"""Healing: what Tekton launched and what failed is started again, by policy and at a pace."""
