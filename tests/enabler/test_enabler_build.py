"""What is committed in `enabler/public` is what the sources give, and the lock file installs anywhere."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from support.commercetools_servers import MissingToolError
from support.enabler_build import ENABLER, copy_sources

from enabler.inventory import PUBLIC


@pytest.mark.node
@pytest.mark.timeout(180)
def test_the_committed_files_are_those_that_the_sources_give(tmp_path):
    try:
        place = copy_sources(tmp_path)
    except MissingToolError as missing:
        pytest.skip(str(missing))
    # Strict types first, with a storefront that was written for the contract.
    done = subprocess.run(["npm", "run", "--silent", "build"], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = {path.relative_to(place / "public"): path.read_bytes() for path in (place / "public").rglob("*.*")}
    committed = {path.relative_to(PUBLIC): path.read_bytes() for path in PUBLIC.rglob("*.*")}
    assert sorted(built) == sorted(committed)
    assert [str(name) for name in built if built[name] != committed[name]] == [], "Run `make enabler` and commit."


def test_the_lock_file_names_no_registry_and_has_a_hash_for_every_package():
    lock = json.loads((ENABLER / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert not any(entry.get("hasInstallScript") for name, entry in packages.items() if name != "node_modules/esbuild")


@pytest.mark.node
def test_the_script_is_also_a_commonjs_and_an_amd_module():
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    script = """
      const load = new Function("module", "define", "self", require("fs").readFileSync(process.argv[1], "utf8"));
      const commonjs = { exports: {} };
      load(commonjs, undefined, {});
      const amd = [];
      load(undefined, Object.assign((needs, make) => amd.push(make()), { amd: {} }), {});
      const root = {};
      load(undefined, undefined, root);
      console.log(JSON.stringify([commonjs.exports, amd[0], root.Connector].map((one) => Object.keys(one).sort())));
    """
    done = subprocess.run(
        [node, "-e", script, str(PUBLIC / "connector-enabler.umd.js")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [["Enabler", "EnablerError"]] * 3
