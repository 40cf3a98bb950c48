"""What `@labdigital/commercetools-mock` 4.4.0 does otherwise, by the name of the test that shows it.

A name in brackets means one case of a test. Everything else in the suite runs against both servers.
"""

from __future__ import annotations

KNOWN_GAPS: dict[str, str] = {}
