"""The build hook of the wheel: the page is in it, built before or now.

From a source distribution nothing has to be built: the page is in that already. An editable installation
needs none either, since ``make setup`` builds it into the source tree.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is of no use to a hook
    """Called by hatchling before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, if it is not there as its sources say."""
        if version == "editable":
            return
        subprocess.run([sys.executable, os.path.join(self.root, "tools", "build_page.py")], check=True)
