"""One line an event on stderr: JSON for machines, or text for people."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from harmonium.serving.problems import printable

LOGGER = logging.getLogger("harmonium.serving")


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, its `fields` in it.

        Parameters
        ----------
        record : logging.LogRecord
        """
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": printable(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = printable(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


class TextLines(logging.Formatter):
    """Writes a record as one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, its `fields` behind.

        Parameters
        ----------
        record : logging.LogRecord
        """
        fields = " ".join(f"{name}={value!r}" for name, value in getattr(record, "fields", {}).items())
        line = f"{record.levelname.lower()}: {record.getMessage()} {fields}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def set_up(form: str) -> None:
    """Send the service's and uvicorn's records to stderr.

    Parameters
    ----------
    form : str
        "json" or "text".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    for name in ("harmonium.serving", "uvicorn", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING if name == "alembic" else logging.INFO)


def say(event: str, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Write one record.

    Parameters
    ----------
    event : str
        What happened, in the same words each time.
    level : int
    error : BaseException, optional
        Its traceback goes along.
    **fields
        What varies.
    """
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, extra={"fields": fields}, exc_info=error)
