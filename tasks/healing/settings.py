"""What remediation is told from outside: the file `.env` and variables named `DEPLOYER_…`, as for the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT: Final = Path(__file__).resolve().parents[2]


class HealingSettings(BaseSettings):
    """Settings of one controller that its flows need too; the same file and names wherever a run is carried out."""

    model_config = SettingsConfigDict(env_prefix="DEPLOYER_", env_file=ROOT / ".env", extra="ignore")

    state: Path = Path(".state")
    """Folder of the database, logs, process files, and of what remediation remembers."""
    public_addresses: Annotated[tuple[str, ...], Field(max_length=10)] = (
        "https://www.debian.org",
        "https://www.iana.org",
    )
    """Two or more unrelated addresses that answer unless this controller is cut off from the world; any status will do.

    Empty: nobody is asked beside the clouds. Then the APIs of DigitalOcean and Cloudflare stand for the world, which
    tells a controller that is cut off less surely, as both may be reached by the same network.
    """

    @property
    def audit(self) -> Path:
        """Where the gateway of a production controller writes every change by a person down, a line of JSON each."""
        return (ROOT / self.state / "audit" / "changes.jsonl").resolve()

    @property
    def healing(self) -> Path:
        """The absolute folder of what remediation remembers: pauses, budgets, and the records of its decisions."""
        return (ROOT / self.state / "healing").resolve()
