"""hero_logic: run plain Python flows in supervised processes, recorded span by span, and watch them live.

The map of the packages is ARCHITECTURE.md; the arrows in it are checked by ``make lint``.
"""

__version__ = "0.1.0"
