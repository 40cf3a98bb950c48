"""The logs of the children on one terminal: the process before each line; by default outcomes and troubles alone."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

#: What stands in a line's head or says nothing to a person who watches one machine.
_HEAD: Final = frozenset(
    {"timestamp", "level", "logger", "event", "exception", "correlation_id", "trace_id", "span_id"}
)
_TROUBLE: Final = frozenset({"warning", "error", "critical"})
#: Beginnings of the events that say how a request or a message ended.
_OUTCOMES: Final = ("request.", "message.")
#: What a person who watches payments has no use for: our own echo, how an answer found its way back, and that a dead
#: letter is not due yet, or lies where it should.
_ECHOES: Final = frozenset(
    {
        ("message.ignored", "commercetools"),
        ("message.done", "results"),
        ("message.ignored", "results"),
        ("message.again", "dead-letters"),
        ("message.ignored", "dead-letters"),
    }
)
_DETAILS: Final = frozenset({"message_id", "age_ms", "attempt"})
_COLOURS: Final[Mapping[str, str]] = {"ingress": "cyan", "workers": "green", "sandbox": "magenta"}
_NAME_WIDTH: Final = 8


class Loudness(enum.StrEnum):
    """How much is shown."""

    #: Only troubles.
    TROUBLES = "troubles"
    #: Troubles, and how each request and each message ended.
    OUTCOMES = "outcomes"
    #: All of it.
    EVERYTHING = "everything"


class Terminal(Console):
    """A console that falls silent when nobody reads it any more, instead of ending the process in mid-work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Screen:
    """Shows log lines, as they come from the children."""

    def __init__(self, console: Console, loudness: Loudness) -> None:
        self._console = console
        self._loudness = loudness

    def hear(self, name: str, line: str) -> None:
        """Show one line of a child, if it is worth it."""
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            # No log line of ours: the traceback of a crash, or what the interpreter has to say.
            self._show(name, Text(line, style="dim"))
        elif self._is_shown(said):
            hidden = _HEAD if self._loudness is Loudness.EVERYTHING or _is_trouble(said) else _HEAD | _DETAILS
            self._show(name, _text(said, hidden))

    def _is_shown(self, said: Mapping[str, object]) -> bool:
        if self._loudness is Loudness.EVERYTHING or _is_trouble(said):
            return True
        event = str(said.get("event", ""))
        is_outcome = event.startswith(_OUTCOMES) and (event, said.get("topic")) not in _ECHOES
        return self._loudness is Loudness.OUTCOMES and is_outcome

    def _show(self, name: str, text: Text) -> None:
        prefix = Text(f"{name:<{_NAME_WIDTH}} ", style=_COLOURS.get(name, "blue"))
        self._console.print(prefix + text, soft_wrap=True)


def _is_trouble(said: Mapping[str, object]) -> bool:
    return said.get("level") in _TROUBLE


def _text(said: Mapping[str, object], hidden: AbstractSet[str]) -> Text:
    style = "bold red" if said.get("level") in {"error", "critical"} else "yellow" if _is_trouble(said) else ""
    text = Text(f"{_time(said)} ", style="dim")
    text.append(f"{said.get('event', '')!s:<18}", style=style)
    for key, value in said.items():
        if key not in hidden and value is not None:
            text.append(f" {key}=", style="dim").append(str(value))
    if "exception" in said:
        text.append(f"\n{said['exception']}", style="dim")
    return text


def _time(said: Mapping[str, object]) -> str:
    try:
        return datetime.fromisoformat(str(said.get("timestamp"))).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return " " * len("00:00:00")
