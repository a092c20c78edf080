"""The controller for production: many processes on Postgres and Redis, behind a gateway that knows people's roles."""
