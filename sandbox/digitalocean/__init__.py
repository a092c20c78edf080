"""DigitalOcean v2, as far as a fleet of droplets needs it; the droplets are machines of `sandbox.machines`."""
