"""Drills: a fault on purpose, undone however the run ends, and watched until all is well again."""
