"""The contracts of import-linter bite: forbidden imports planted into an empty copy of the rooms are all found."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bus", "ct", "ctpay", "enabler", "handlers", "psp", "sandbox", "workers")
#: Modules that contracts and the table below name.
NAMED = (
    "bus.port", "ct.callers", "ct.errors", "ct.introspection", "ct.ledger", "ct.sessions", "ct.status",
    "psp.capabilities", "psp.card_numbers", "psp.errors", "psp.facts", "psp.money", "psp.outcome", "psp.port",
    "psp.registry", "psp.seams", "psp.trace",
    "psp.example.adapter",
)  # fmt: skip

_SDKS = ("commercetools", "google.cloud.pubsub_v1", "grpc")
_TERMINAL = ("rich", "typer")
FORBIDDEN = {
    "psp": ("bus", "ct", "ctpay", "enabler", "handlers", "sandbox", "workers", *_SDKS, *_TERMINAL),
    "ct": ("bus", "ctpay", "enabler", "handlers", "psp.port", "psp.registry", "psp.trace", "psp.example.adapter",
           "sandbox", "workers", "google.cloud.pubsub_v1", "grpc", *_TERMINAL),
    "bus": ("aiohttp", "commercetools", "ct", "ctpay", "enabler", "handlers", "psp.port", "psp.registry",
            "psp.example.adapter", "sandbox", "workers", *_TERMINAL),
    "enabler": ("ct.ledger", "ctpay", "psp.registry", "psp.example.adapter", "sandbox", "workers", *_SDKS, *_TERMINAL),
    "handlers": ("ct.ledger", "ctpay", "enabler", "psp.registry", "psp.example.adapter", "sandbox", "workers", *_SDKS,
                 *_TERMINAL),
    "workers": ("aiohttp", "ctpay", "enabler", "handlers", "psp.registry", "psp.example.adapter", "sandbox", *_SDKS,
                *_TERMINAL),
    "ctpay": ("sandbox", *_SDKS),
    "sandbox": ("bus", "commercetools", "ct", "ctpay", "enabler", "handlers", "psp", "workers"),
}  # fmt: skip
ALLOWED = {
    "psp": ("aiohttp",),
    "ct": (
        "psp.capabilities",
        "psp.errors",
        "psp.facts",
        "psp.money",
        "psp.outcome",
        "psp.seams",
        "aiohttp",
        "commercetools",
    ),
    "bus": (
        "psp.errors",
        "psp.facts",
        "psp.money",
        "psp.outcome",
        "psp.seams",
        "psp.trace",
        "google.cloud.pubsub_v1",
        "grpc",
    ),
    "enabler": ("bus.port", "psp.money", "psp.port", "aiohttp"),
    "handlers": (
        "bus.port",
        "psp.card_numbers",
        "psp.money",
        "psp.port",
        "psp.trace",
        "ct.callers",
        "ct.errors",
        "ct.introspection",
        "ct.sessions",
        "ct.status",
        "aiohttp",
    ),
    "workers": ("bus.port", "ct.ledger", "psp.money", "psp.port", "psp.trace"),
    "ctpay": ("bus.port", "ct.ledger", "enabler", "handlers", "psp.registry", "workers", "aiohttp", "typer", "rich"),
    "sandbox": ("aiohttp", "google.cloud.pubsub_v1", "grpc"),
}


def rooms_with(tmp_path: Path, imports: dict[str, tuple[str, ...]]) -> str:
    """What import-linter says of empty rooms in which each room has one module with these imports."""
    for module in (*ROOMS, *NAMED):
        path = tmp_path.joinpath(*module.split("."))
        package = path if module in ROOMS else path.parent
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        if module not in ROOMS:
            path.with_suffix(".py").touch()
    for room, modules in imports.items():
        lines = "".join(f"import {module}\n" for module in modules)
        (tmp_path / room / "planted.py").write_text(lines)
    # What the contracts name by hand today is there too.
    (tmp_path / "psp" / "sandbox").mkdir()
    (tmp_path / "psp" / "sandbox" / "__init__.py").touch()
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_every_forbidden_arrow_is_found(tmp_path):
    said = rooms_with(tmp_path, FORBIDDEN)
    arrows = {f"{room}.planted -> {module.split('.')[0] if module.startswith('google') else module}"
              for room, modules in FORBIDDEN.items() for module in modules}  # fmt: skip
    assert {arrow for arrow in arrows if f"{arrow} (l." not in said} == set()


def test_no_allowed_arrow_is_taken_for_a_forbidden_one(tmp_path):
    said = rooms_with(tmp_path, ALLOWED)
    assert "0 broken" in said, said


def test_the_vocabulary_of_psp_reaches_no_adapter(tmp_path):
    (tmp_path / "psp").mkdir()
    (tmp_path / "psp" / "between.py").write_text("import psp.example.adapter\n")
    (tmp_path / "psp" / "facts.py").write_text("import psp.between\n")
    assert "psp.between -> psp.example.adapter" in rooms_with(tmp_path, {})


#: Import-linter cannot name a submodule of a third party, so these are looked for in the text.
CONFINED = {
    "aiohttp.web": {"ctpay", "enabler", "handlers", "sandbox"},
    "prometheus_client": {"ctpay"},
    "pydantic_settings": {"ctpay", "psp"},
    "structlog.configure": {"ctpay"},
}


def used(path: Path) -> set[str]:
    """Dotted names that a file imports or uses as attributes of what it imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} | {f"{module}.{name.name}" for name in names}
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                found.add(f"{owner}.{attribute}")
            case _:
                pass
    return found


@pytest.mark.parametrize("name", sorted(CONFINED))
def test_a_third_party_stays_in_its_rooms(name):
    rooms = {room for room in ROOMS for path in (ROOT / room).rglob("*.py") if name in used(path)}
    assert rooms <= CONFINED[name]


#: Made by the composition root alone, and passed down: the seams of the design.
SEAMS = {
    "datetime.now", "datetime.utcnow", "time.time", "uuid.uuid4", "uuid.uuid1", "random.random", "random.choice",
    "random.uniform", "secrets.token_hex", "secrets.token_urlsafe", "aiohttp.ClientSession", "aiohttp.TCPConnector",
    "threading.Thread", "uuid4", "random",
}  # fmt: skip


@pytest.mark.parametrize("room", ["psp", "ct", "bus", "handlers", "enabler", "workers"])
def test_no_clock_id_random_number_session_or_thread_is_made_below_the_composition_root(room):
    made = {
        (path.name, name)
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in SEAMS
    }
    assert made == set()
