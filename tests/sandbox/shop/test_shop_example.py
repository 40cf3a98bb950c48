"""The examples of the documentation are shown with the policy that the documentation gives."""

from __future__ import annotations

import re

from sandbox.shop import example


def test_the_policy_of_the_documentation_is_the_one_that_the_examples_are_tried_with():
    documentation = (example.FOLDER / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    (default-src .*?)\n\n", documentation, re.MULTILINE | re.DOTALL)
    around = example.Around(
        processor_url="https://connector.example", psp_url="https://your.psp.example", session="SESSION"
    )
    tried = example.policy(around)["Content-Security-Policy"]
    assert " ".join(block.split()) == tried
