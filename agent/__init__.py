"""Everything that speaks the node protocol: the node agent, its client, and what both agree on."""

__version__ = "0.1.0"
