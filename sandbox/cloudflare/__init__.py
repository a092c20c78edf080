"""Cloudflare v4, as far as a deployment needs it: zones, DNS records, one zone setting, Origin CA, address ranges."""
