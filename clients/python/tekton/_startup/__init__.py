"""What stands behind the startup coordinator."""
