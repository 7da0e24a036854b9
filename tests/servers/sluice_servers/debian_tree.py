# tests/servers/sluice_servers/debian_tree.py — packages of another Debian suite, unpacked into the cache beside the system.
"""A private apt root fetches packages with everything they link to, so that nothing of the machine
changes; programs run through the dynamic loader of that tree. The mirror is the machine's own."""

import fcntl
import glob
import os
import re
import shutil
import subprocess

from .process import ServerError, cache_dir

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIBRARY = "usr/lib/x86_64-linux-gnu"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"


def _mirror():
    """The first Debian mirror in the machine's apt sources."""
    texts = []
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*")):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as text:
                texts.append(text.read())
    for line in "\n".join(texts).splitlines():
        found = re.match(r"(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", line)
        if found:
            return found.group(1)
    raise ServerError("no Debian mirror in the apt sources of this machine")


def _apt_configuration(place, suite):
    """Writes the configuration of an apt that knows only `place`; returns its path."""
    for part in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "state/lists/partial",
                 "cache/archives/partial", "log"):
        os.makedirs(os.path.join(place, part), exist_ok=True)
    with open(os.path.join(place, "status"), "w", encoding="ascii"):
        pass
    with open(os.path.join(place, "etc/sources.list"), "w", encoding="utf-8") as out:
        out.write("deb [signed-by=%s] %s %s main\n" % (KEYRING, _mirror(), suite))
    settings = {
        "Dir": place, "Dir::Etc": place + "/etc", "Dir::Etc::sourcelist": place + "/etc/sources.list",
        "Dir::Etc::sourceparts": "-", "Dir::Etc::parts": place + "/etc/apt.conf.d",
        "Dir::Etc::preferencesparts": place + "/etc/preferences.d", "Dir::State": place + "/state",
        "Dir::State::status": place + "/status", "Dir::Cache": place + "/cache",
        "Dir::Log": place + "/log", "APT::Architecture": "amd64",
        "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
        "APT::Get::Assume-Yes": "true", "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none", "Acquire::Retries": "3", "Dpkg::Use-Pty": "false"}
    path = os.path.join(place, "apt.conf")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines('%s "%s";\n' % item for item in settings.items())
        out.write('APT::Architectures { "amd64"; };\n')
    return path


def _apt(configuration, log_path, *words):
    environment = dict(os.environ, APT_CONFIG=configuration, DEBIAN_FRONTEND="noninteractive")
    with open(log_path, "wb") as log:
        done = subprocess.run(["apt-get", "-q", *words], env=environment, stdout=log, stderr=log,
                              check=False)
    if done.returncode != 0:
        raise ServerError("apt-get %s failed, see %s" % (" ".join(words), log_path))


def _unpack(archives, tree):
    # The links of a merged /usr come first; tar then writes through them, dpkg -x would replace them.
    for part in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(os.path.join(tree, "usr", part))
        os.symlink("usr/" + part, os.path.join(tree, part))
    for archive in archives:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
            subprocess.run(["tar", "-x", "-C", tree, "--keep-directory-symlink", "--no-same-owner"],
                           stdin=tar.stdout, check=True)


class DebianTree:
    """The packages of `suite` under `name` in the cache; `needed` is a file that must be among them."""

    def __init__(self, name, suite, packages, needed):
        self.name, self.suite, self.packages, self.needed = name, suite, packages, needed

    @property
    def home(self):
        return os.path.join(cache_dir(), self.name)

    @property
    def root(self):
        return os.path.join(self.home, "root")

    def program(self, name):
        """The argv prefix that runs `name`, as usr/sbin/mysqld, out of the tree."""
        libraries = ":".join(os.path.join(self.root, part)
                             for part in (LIBRARY, "usr/lib/mysql/private"))
        return [os.path.join(self.root, LOADER), "--library-path", libraries,
                os.path.join(self.root, name)]

    def fetch(self, then=None):
        """Makes the tree when it is missing; `then` is called with its folder before it counts as made."""
        if os.path.isdir(self.root):
            return
        if not os.path.exists(KEYRING):
            raise ServerError("%s is missing; run tools/install_deps.sh run" % KEYRING)
        os.makedirs(self.home, exist_ok=True)
        with open(os.path.join(self.home, ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(self.root):
                self._fetch(then)

    def _fetch(self, then):
        apt = os.path.join(self.home, "apt")
        configuration = _apt_configuration(apt, self.suite)
        _apt(configuration, apt + "/log/update.log", "update")
        _apt(configuration, apt + "/log/download.log", "-d", "install", *self.packages)
        fresh = self.root + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(fresh)
        archives = sorted(glob.glob(apt + "/cache/archives/*.deb"))
        _unpack(archives, fresh)
        if not os.path.exists(os.path.join(fresh, self.needed)):
            raise ServerError("no %s among the %d packages fetched" % (self.needed, len(archives)))
        if then:
            then()
        os.rename(fresh, self.root)
        shutil.rmtree(os.path.join(apt, "state/lists"), ignore_errors=True)
