"""The token of each Moodle, kept in the user's own configuration, readable to nobody else."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from mograder.errors import ConfigError


def keep(url: str, token: str) -> Path:
    """Keep the token for ``url``; where it is now. Raises ``ConfigError``."""
    path = place()
    tokens = _all(path) | {url: token}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".moodle-")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(tokens, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise ConfigError(f"The token can not be kept in {path}: {error.strerror}.") from error
    return path


def kept(url: str) -> str | None:
    """The token for ``url``, if one is kept. Raises ``ConfigError`` for a file that others can read."""
    return _all(place()).get(url)


def place() -> Path:
    """``$XDG_CONFIG_HOME/mograder/moodle.json``."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "mograder" / "moodle.json"


def _all(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} holds tokens and others may read it.", tip=f"chmod 600 {path}")
        tokens = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can not be read: {error}.", tip="remove it and log in again.") from error
    return {str(url): str(token) for url, token in tokens.items()} if isinstance(tokens, dict) else {}
