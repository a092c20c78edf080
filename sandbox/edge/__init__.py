"""The edge: a reverse proxy that plays Cloudflare for the proxied records of the sandbox's own DNS."""

from sandbox.edge.server import Edge

__all__ = ["Edge"]
