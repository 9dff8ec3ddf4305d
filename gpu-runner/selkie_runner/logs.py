"""Structured logs: one JSON object per line on stderr."""

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any


def event(logger: logging.Logger, level: int, name: str, *, exc_info: bool = False, **fields: Any) -> None:
    """Log `{"event": name, **fields}`; `fields` are JSON values, never secrets."""
    logger.log(level, name, extra={"fields": fields}, exc_info=exc_info)


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "event", …}` with the traceback, if any, under `error`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def to_stderr(level: str) -> None:
    """Send every log of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("httpx", "urllib3", "filelock", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
