"""Hypothesis without a clock: how long an example takes is no property of a plan, and machines differ."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("no-clock", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")
