"""The user that plays run as, where an operator who is root names another one.

Root that has no capability left still owns files; a user who owns none has nothing to find, whatever is
shown to their plays by mistake. Only ``native`` can do it, and it does it without a user namespace: a play
has no capability then in any.
"""

from __future__ import annotations

import os

from hero_logic.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.sandbox.namespaces import Owner

VARIABLE = "HERO_LOGIC_PLAY_USER"


def find_owner(name: str) -> Owner | None:
    """(user, group) for a name or a number; None where there is no name.

    Raises:
        UsageError: there is no such user, it is root, or this is not root.
    """
    if not name:
        return None
    if os.geteuid() != 0:
        raise UsageError(
            f"{VARIABLE} is {name!r}, and this is not root: nobody else can run plays as another user. "
            "Unset it: plays run as you, in a world of their own."
        )
    import pwd

    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError) as error:
        raise UsageError(
            f"{VARIABLE} is {name!r}, and this host has no such user. Make one for plays alone: "
            "useradd --system --no-create-home --shell /usr/sbin/nologin NAME."
        ) from error
    if found.pw_uid == 0:
        raise UsageError(
            f"{VARIABLE} is {name!r}, who is root: name a user who owns nothing, such as nobody."
        )
    return found.pw_uid, found.pw_gid
