"""DigitalOcean and Cloudflare in a box: their APIs over HTTPS, with container machines as droplets."""
