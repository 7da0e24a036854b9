# tests/servers/sluice_servers/libmysqlclient.py — the real libmysqlclient 9.7, to build sluice with.
"""libmysqlclient's headers, library and login plug-ins from Debian's unstable suite.

The cache folder has what the build asks for: `inc` (headers), `link` (that library alone, so that
the linker finds no other of the newer suite) and `root`, where the library and the newer C library
are that the built program runs with.
"""

import os

from .debian_tree import LIBRARY, DebianTree

TREE = DebianTree("libmysqlclient-9.7", "sid", ["libmysqlclient-dev", "mysql-client-core"],
                  "usr/include/mysql/mysql.h")


def _link(target, name):
    path = os.path.join(TREE.home, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def _arrange():
    # mysql.h includes "mysql/…" too, so that both inc and inc/mysql are searched.
    _link(os.path.join(TREE.root, "usr/include/mysql"), "inc/mysql")
    _link(os.path.join(TREE.root, LIBRARY, "libmysqlclient.so"), "link/libmysqlclient.so")


def fetch():
    """Makes the folder when it is missing, about 40 MB from the mirror; returns it."""
    TREE.fetch(then=_arrange)
    return TREE.home
