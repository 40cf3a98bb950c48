"""Updates: a list of actions upon a version, all or nothing."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, clone
from sandbox.commercetools.errors import invalid_json, invalid_operation
from sandbox.commercetools.kinds import Kind
from sandbox.commercetools.state import Desk, Message

ACTIONS_MAX: Final = 500


def _action(value: object, where: str) -> Document:
    action = checks.mapping(value, where)
    checks.NAME(action.get("action") or "", f"{where}.action")
    return action


UPDATE: Final = Shape(required={"version": checks.whole(low=0), "actions": checks.array(_action)})


def apply(kind: Kind, old: Document, actions: list[Document], desk: Desk) -> tuple[Document, list[tuple[int, Message]]]:
    """The version after the actions, and what happened at which version. `old` is left as it was."""
    if len(actions) > ACTIONS_MAX:
        raise invalid_operation(f"There are more than {ACTIONS_MAX} actions.")
    current, told = old, []
    for index, given in enumerate(actions):
        action = kind.actions.get(given["action"])
        if action is None:
            raise invalid_json(f"actions[{index}].action: '{given['action']}' is not an action of {kind.path}.")
        rest = {name: value for name, value in given.items() if name != "action"}
        checked = action.shape(rest, f"actions[{index}]")
        changed = clone(current)
        messages = action.apply(changed, checked, desk)
        if changed != current:
            changed["version"] = current["version"] + 1
            # Copies, since the next actions change the document that the messages speak of.
            told += [(changed["version"], Message(type=each.type, fields=clone(each.fields))) for each in messages]
            current = changed
    return (clone(old) if current is old else current), told
