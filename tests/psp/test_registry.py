from __future__ import annotations

from psp.registry import FRONTS, SETTINGS


def test_a_psp_that_can_be_chosen_has_a_block_for_workers_and_one_for_the_ingress():
    """Under the same name, which is in merchants' settings and so stays."""
    assert list(SETTINGS) == list(FRONTS) == ["sandbox"]
