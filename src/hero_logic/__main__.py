"""``python -m hero_logic`` is ``hero-logic``."""

import sys

from hero_logic.app import main

sys.exit(main())
