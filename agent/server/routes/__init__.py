"""The agent's routes: each parses, calls, and replies; nothing else."""
