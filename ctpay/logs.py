"""Logs: one line an event, JSON or pretty, of allowed fields alone, with what looks like a secret masked at the end.

Law: a field that is not in `FIELDS` is left out and named in `left_out`; adding one is a reviewed line here. Text of
libraries and of tracebacks goes through the same mask. The correlation id and the span come from the task's context.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final, TextIO, TypeAlias

import structlog
from pydantic import SecretStr

from ctpay.settings import LogFormat, Logs
from psp.card_numbers import mask_card_numbers
from psp.trace import current

_Line: TypeAlias = MutableMapping[str, object]

#: Everything that a line may say. None of it is personal data, a token or a body.
FIELDS: Final = frozenset(
    {
        "event", "level", "logger", "timestamp", "exception", "left_out",
        "correlation_id", "trace_id", "span_id",
        "command_id", "event_id", "message_id", "payment_id", "transaction_id",
        "type", "topic", "worker", "subscription", "name", "port",
        "reason", "cause", "error", "code", "attempt", "attempts", "duration_ms", "age_ms", "count",
        "method", "route", "status",
        "settled", "closed", "resumed", "waiting", "unknown", "away", "skipped", "failed",
        "missing", "extra", "other-amount", "other-state", "stuck",
    }
)  # fmt: skip

MASK: Final = "***"

#: What looks like a secret wherever it stands.
_SECRETS: Final = re.compile(
    r"""
      (?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}                                      # Authorization headers
    | \beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?                                         # JSON web tokens
    | \b(?:sk|rk|pk|whsec|tok|pm|seti|pi|cs)_\w*[\w-]{6,}                            # PSPs' keys and payment tokens
    | (?i:\b(?:client_?secret|secret|password|passwd|api_?key|access_?token|refresh_?token|token|signature|cvc|cvv)
        ["']?\s*[=:]\s*["']?)[^\s"'&,;)}\]]+                                         # name=value, "name": "value"
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                                                # user:password@ in an address
    """,
    re.VERBOSE,
)


class Masker:
    """Masks secrets in text: those it is told, those that look like one, and card numbers."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        known = sorted(
            {re.escape(s.get_secret_value()) for s in secrets if s.get_secret_value()}, key=len, reverse=True
        )
        self._known = re.compile("|".join(known)) if known else None

    def text(self, text: str) -> str:
        if self._known:
            text = self._known.sub(MASK, text)
        return mask_card_numbers(_SECRETS.sub(MASK, text), MASK)

    def __call__(self, _logger: object, _method: str, line: _Line) -> _Line:
        """The last processor before a line becomes text."""
        return {key: self._value(value) for key, value in line.items()}

    def _value(self, value: object) -> object:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            # An int of a card number's length is as bad as its text.
            masked = self.text(str(value))
            return value if masked == str(value) else masked
        if isinstance(value, Mapping):
            return {str(key): self._value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item) for item in value]
        return self.text(str(value))


def allow(_logger: object, _method: str, line: _Line) -> _Line:
    """The line without the fields that are not in `FIELDS`; their names are kept, so that a gap is seen."""
    left_out = sorted(line.keys() - FIELDS)
    kept = {key: value for key, value in line.items() if key in FIELDS}
    return kept | {"left_out": left_out} if left_out else kept


def locate(_logger: object, _method: str, line: _Line) -> _Line:
    """The line with its place in the trace that the task works for, if it works for one."""
    span = current()
    return {**line, "trace_id": span.trace_id, "span_id": span.span_id} if span else line


def configure(
    settings: Logs,
    *,
    secrets: Iterable[SecretStr],
    watch: structlog.types.Processor | None = None,
    stream: TextIO = sys.stderr,
) -> None:
    """Route structlog, the standard library's logging and warnings into one stream of lines.

    `watch` sees every line of ours, also those that the level keeps back.
    """
    pretty = settings.format is LogFormat.PRETTY or (settings.format is LogFormat.AUTO and stream.isatty())
    common: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        locate,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=28)
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            allow,
            Masker(secrets),
            render,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    # Libraries tell every request at INFO, with addresses; what we have to say of it is in our own lines.
    for library in ("aiohttp.access", "backoff", "google", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            *([watch] if watch else []),
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
