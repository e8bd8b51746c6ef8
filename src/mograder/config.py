"""``mograder.toml`` as one typed model."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mograder.errors import ConfigError

FILE_NAME = "mograder.toml"

_HEADER_NAME = r"^[A-Za-z][A-Za-z0-9-]*$"


def _strip(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


RelativeOrAbsolutePath = Annotated[str, BeforeValidator(_strip), Field(min_length=1)]


def _has_a_host(url: str) -> str:
    """``url`` if browsers can find something there. Raises ValueError, which pydantic tells."""
    message = 'write "https://hub.example.edu", with a port (1 to 65535) or a path where there is one'
    try:
        parts = urlsplit(url)
        found = not url or (parts.hostname and parts.port != 0)
    except ValueError:
        raise ValueError(message) from None
    if not found:
        raise ValueError(message)
    return url


class _Section(BaseModel):
    """A section that we implement: a key that we do not know is a mistake, and is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSection(_Section):
    """``[hub]``: how the hub runs. Every key is documented in docs/configuration.md."""

    title: str = Field("", max_length=200, description="Name of the course on every page.")
    accent: str = Field("", description='Accent colour of the pages, as "#1f5a4c"; it is made readable.')
    logo: str = Field("", description="Picture beside the course's name (SVG, PNG, JPEG), up to 200 kB.")
    notice: str = Field("", max_length=500, description="A sentence on top of every page.")
    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104  a server for a class
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    notebooks_dir: RelativeOrAbsolutePath = Field(
        "hub-notebooks", description="Students' workspaces, relative to the course directory."
    )
    release_dir: RelativeOrAbsolutePath = Field(
        "hub-release", description="Published items, relative to the course directory."
    )
    session_ttl: int = Field(
        3600, ge=1, le=30 * 86400, description="Seconds without activity before a session is stopped."
    )
    trusted_header: str = Field(
        "X-Remote-User", pattern=_HEADER_NAME, description="Header in which the login proxy names the person."
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks of the login proxy; it must know the shared secret, too."
    )
    proxy_secret_header: str = Field(
        "X-Proxy-Secret",
        pattern=_HEADER_NAME,
        description="Header in which the login proxy sends the shared secret.",
    )
    proxy_secret_file: str = Field("", description="File with the secret that the login proxy shares.")
    unix_socket: str = Field(
        "", description="Unix socket to listen on as well; who can open it is the login proxy."
    )
    unix_socket_group: str = Field("", description="Group that may open the unix socket.")
    public_url: Annotated[str, AfterValidator(_has_a_host)] = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9_~\-][A-Za-z0-9_~.\-]*)*/?)?$",
        description="Where browsers find the hub, e.g. https://hub.example.edu or https://example.edu/hub.",
    )
    login_url: str = Field(
        "",
        pattern=r"^((https?:/)?/[!-~]*)?$",
        description="Where who is not signed in does that; {target} in it is the path to come back to.",
    )
    logout_url: str = Field(
        "",
        pattern=r"^((https?:/)?/[!-~]*)?$",
        description="Where signing out goes on: the login proxy's own address for it.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description='More host names that the hub answers to; "*.example.edu" stands for all below.'
    )
    content_host: str = Field(
        "",
        description="Where notebooks and reports are served, apart from the hub: a host name, *.name or :port.",
    )
    time_zone: str = Field("", description="Time zone of the dates in publish, as Europe/Zurich.")
    uv_cache_dir: str = Field(
        "", description="uv's package cache, relative to the course directory; empty: uv's own default."
    )
    instructors: tuple[str, ...] = Field((), description="People with the instructor role.")
    validate_timeout: int = Field(
        120, ge=1, le=3600, description="Seconds a notebook may run when it is validated."
    )
    max_upload_mb: int = Field(20, ge=1, le=1024, description="Largest notebook that can be uploaded, in MB.")
    sandbox: Literal["on", "off"] = Field(
        "on", description='"off" runs notebooks without isolation: only for people who trust each other.'
    )
    session_memory_mb: int = Field(2048, ge=64, description="Memory that one session may use, in MB.")
    session_processes: int = Field(128, ge=8, description="Processes and threads that one session may have.")
    session_cpus: float = Field(2.0, gt=0, description="CPU cores that one session may keep busy.")
    session_disk_mb: int = Field(1024, ge=8, description="Disk space that one workspace may fill, in MB.")
    reserve_memory_mb: int = Field(
        1024, ge=0, description="Memory of the machine that sessions leave free, in MB."
    )
    max_sessions: int = Field(500, ge=1, description="Sessions that may be up at once, whatever the memory.")
    requests_per_minute: int = Field(
        1200, ge=10, description="Requests that one person may send the hub in a minute."
    )
    requests_at_once: int = Field(
        64, ge=4, description="Requests of one person that may be under way at once."
    )
    session_requests_per_minute: int = Field(
        12000, ge=60, description="Requests that one person may send their notebooks in a minute."
    )
    websockets_per_user: int = Field(
        64, ge=1, description="WebSockets (tabs of notebooks) that one person may have open."
    )
    max_connections: int = Field(10000, ge=16, description="Connections that may be open at once.")
    connections_per_address: int = Field(
        2000, ge=8, description="Connections that one address may have open; the login proxy may have more."
    )
    failed_logins_per_minute: int = Field(
        300, ge=1, description="Requests without a valid login that one address may send in a minute."
    )


class DirsSection(_Section):
    """``[dirs]``: the course's own directories, relative to the course directory."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: RelativeOrAbsolutePath = "source"
    release: RelativeOrAbsolutePath = "release"
    submitted: RelativeOrAbsolutePath = "submitted"
    autograded: RelativeOrAbsolutePath = "autograded"
    feedback: RelativeOrAbsolutePath = "feedback"
    import_: RelativeOrAbsolutePath = Field("import", alias="import")


MoodleKey = Literal["email", "username", "idnumber"]


class MoodleSection(_Section):
    """``[moodle]``: the course on Moodle. ``key`` is what people there are called by here; ``timeout`` in seconds."""

    url: str = ""
    course_id: int | None = None
    key: MoodleKey = "email"
    strip_domain: bool = False
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0


class AssignmentFile(BaseModel):
    """``[[assignments.files]]``: one file of an assignment on Moodle."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    url: str = ""


class Assignment(BaseModel):
    """``[[assignments]]``: what Moodle knows of an assignment; written by ``mograder moodle sync``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    id: int | None = None
    cmid: int | None = None
    duedate: Any = None
    files: tuple[AssignmentFile, ...] = ()


class CourseConfig(BaseModel):
    """The whole file. Sections that belong to other tools or to later versions are accepted and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hub: HubSection = HubSection()
    dirs: DirsSection = DirsSection()
    moodle: MoodleSection = MoodleSection()
    assignments: tuple[Assignment, ...] = ()


# Known to existing course repositories; not read by us (yet).
_FOREIGN_SECTIONS = (
    "rlimits",
    "defaults",
    "gradebook",
    "penalties",
    "security",
    "sync",
    "https",
    "edit_links",
    "transport",
    "config_url",
)


def load(path: Path) -> CourseConfig:
    """Read the configuration file at ``path``.

    Raises:
        ConfigError: the file is missing, unreadable, not TOML, or holds a key or value that we refuse;
            the message is one line that starts with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file, so this is not a course directory.",
            tip="name the course with -C DIR, or try `mograder demo`.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can not be read ({error}).") from error
    return parse(text, str(path))


def parse(text: str, name: str = FILE_NAME) -> CourseConfig:
    """Parse ``text``; ``name`` is the file name for messages. Raises ConfigError as `load` does."""
    try:
        data = tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # ValueError: also a number of more digits than Python reads
        raise ConfigError(_toml_message(error, name)) from None
    _refuse_misspelt_section(data, text, name)
    try:
        return CourseConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_validation_message(error, text, name)) from None


def _toml_message(error: Exception, name: str) -> str:
    if isinstance(error, RecursionError):
        return f"{name}: not valid TOML: it is nested too deeply."
    match = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
    if match:
        return f"{name}:{match[2]}:{match[3]}: not valid TOML: {match[1]}."
    return f"{name}: not valid TOML: {str(error).partition(chr(10))[0]}."


def _refuse_misspelt_section(data: dict[str, Any], text: str, name: str) -> None:
    known = [*CourseConfig.model_fields, *_FOREIGN_SECTIONS]
    for key in data:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
        if near:
            raise ConfigError(
                f"{_where(text, name, (key,))}: unknown section [{_shown(key)}]; did you mean [{near[0]}]?"
            )


def _validation_message(error: ValidationError, text: str, name: str) -> str:
    first = error.errors()[0]
    location = tuple(str(part) for part in first["loc"])
    where = _where(text, name, location)
    if first["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(location)}"
    given = _shown(repr(first["input"]))
    if len(location) == 1:
        return f"{where}: [{location[0]}] must be a table, not {given}."
    said = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {'.'.join(location)} = {given}: {said}."


def _unknown_key(location: tuple[str, ...]) -> str:
    section, key = location[0], location[-1]
    model = CourseConfig.model_fields[section].annotation
    fields = getattr(model, "model_fields", {})
    known = [field.alias or field_name for field_name, field in fields.items()]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    listed = ", ".join(sorted(known))
    return f"unknown key `{_shown(key)}` in [{section}]; did you mean `{near[0]}`? Known: {listed}."


def _shown(text: str, limit: int = 80) -> str:
    """``text`` on one line and not too long: a key in quotation marks may hold anything."""
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def _where(text: str, name: str, location: tuple[str, ...]) -> str:
    """``file:line`` of a key, found by reading the text: tomllib keeps no positions."""
    section = location[0]
    key = next((part for part in reversed(location[1:]) if not part.isdigit()), None)
    current, section_line = None, None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]\s]+)\s*\]+", line)
        if header:
            current = header[1].strip("\"'")
            if current.split(".")[0] == section and section_line is None:
                section_line = number
            continue
        assigned = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if assigned and _names(current, assigned[1].strip("\"'"), section, key):
            return f"{name}:{number}"
    return f"{name}:{section_line}" if section_line else name


def _names(current: str | None, assigned: str, section: str, key: str | None) -> bool:
    if key is None:
        return current is None and assigned.split(".")[0] == section
    if current is None:
        return assigned == f"{section}.{key}"
    return current.split(".")[0] == section and assigned == key
