"""A Compose file as services: `read` translates, `saving` makes blocks of it.

What decides, for each service of the file:

- **scheduled** with a cron line, **web** with a domain or with a published port that is usually HTTP, **tcp** with
  another port (published or exposed) or an image that is known to serve one, **worker** otherwise. What Compose has no
  word for is said in the file, under `x-deployer` or in labels named `x-deployer.…`: `domain`, `cron`, `zone`,
  `overlap`, `run_seconds`, `port`, `exclusive`, `health_path`; and domains also on the command line.
- **Secrets**: a variable whose name says so (PASSWORD, SECRET, TOKEN, …_KEY, …) or whose value is an address with a
  password in it, from `environment` or from an `env_file`, becomes a secret of the service, so that it is neither in
  the form nor in `docker inspect`. The container then finds it in `/run/secrets/NAME`, and `NAME_FILE` says so, as
  many images understand. `x-deployer: {variables: [NAME]}` keeps it a variable, `{secrets: [NAME]}` makes any other
  one a secret. Compose's own secrets are carried over when they come from a file or a variable.
- **Volumes** must be named; their data is not copied. A name's underscores become dashes.
- A variable of the file that has neither a value nor a default is a mistake here, not an empty text.

Whatever cannot be carried over is named at once, with its line, and then nothing is saved.
"""

from deployments.compose.reading import Imported, read

__all__ = ["Imported", "read"]
