"""What a service can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from harmonium.errors import SettingError

READING = ("open", "closed")
LOG_FORMATS = ("json", "text")


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a service.

    Parameters
    ----------
    model : Path
        The model file; when another takes its place, the service goes over to it.
    store : str
        Database address: "sqlite:///file.db" or "postgresql://user:password@host/name".
    reading : str
        "open": questions to the model need no key; "closed": they do. What is stored of people always needs one.
    rate_limit : float
        Requests a second from one address; 0 sets no limit.
    burst : int
        Requests that may come at once after a pause.
    max_body : int
        Bytes of a request's body.
    watch_seconds : float
        How often the model file is looked at; 0 never.
    page : Path or None
        Folder of the built page; None for the packaged one.
    host : str
    port : int
    workers : int
        Processes that answer.
    log_format : str
        "json" or "text".
    log_requests : bool
        Whether each request is a line of the log.
    grace_seconds : float
        How long requests under way may take when the service is told to stop.

    Raises
    ------
    SettingError
        A value is out of range.
    """

    model: Path
    store: str
    reading: str = "open"
    rate_limit: float = 100.0
    burst: int = 200
    max_body: int = 1_000_000
    watch_seconds: float = 1.0
    page: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_format: str = "json"
    log_requests: bool = True
    grace_seconds: float = 20.0

    def __post_init__(self) -> None:
        for name, allowed in (("reading", READING), ("log_format", LOG_FORMATS)):
            if getattr(self, name) not in allowed:
                raise SettingError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}")
        lowest = {"rate_limit": 0, "burst": 1, "max_body": 1_000, "watch_seconds": 0, "port": 0, "workers": 1}
        for name, least in lowest.items():
            if not getattr(self, name) >= least:
                raise SettingError(f"{name}: {getattr(self, name)!r} is below {least}")
