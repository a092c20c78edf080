"""The agent's part of an examination: it may not see the whole system, and so has systemd run what may.

The question, with marks that must be nowhere, lies in `/run` for moments: that is memory, and no disk.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Final

from pydantic import ValidationError

from agent import wire
from agent.server.errors import Failure
from agent.server.secret_files import write_private
from agent.server.settings import Settings

SECONDS: Final = 270
ASKED: Final = "examine.json"
ANSWERED: Final = "examined.json"
_ONCE: Final = threading.Lock()


def examine(settings: Settings, question: wire.Examine) -> wire.Examination:
    """Ask, and give the answer; neither is there afterwards.

    Raises:
        Failure: 409 `busy`, another examination goes on; 502 `examine`, it did not end well.
    """
    if not _ONCE.acquire(blocking=False):
        raise Failure(409, "busy", "Another examination goes on.", "Try again when it is over.")
    asked, answered = settings.run / ASKED, settings.run / ANSWERED
    try:
        write_private(asked, question.model_dump_json().encode())
        subprocess.run(settings.examine_command, capture_output=True, text=True, timeout=SECONDS, check=True)
        return wire.Examination.model_validate_json(answered.read_bytes())
    except (OSError, subprocess.SubprocessError, ValidationError) as error:
        said = (getattr(error, "stderr", "") or type(error).__name__).strip()
        raise Failure(
            502, "examine", f"The system could not be examined: {said}", "See `journalctl -u deployer-examine`."
        ) from error
    finally:
        asked.unlink(missing_ok=True)
        answered.unlink(missing_ok=True)
        _ONCE.release()
