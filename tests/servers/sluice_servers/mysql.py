# tests/servers/sluice_servers/mysql.py — MySQL 9.7 unpacked beside the system, with its own C library.
"""MySQL from the packages of Debian's unstable suite, unpacked into the cache.

A private apt root fetches the server with everything it links to, so that nothing of the machine
changes; the server runs through the dynamic loader of that tree. The mirror is the machine's own.
"""

import fcntl
import functools
import glob
import os
import re
import shutil
import subprocess

from .process import ServerError, cache_dir
from .sqlserver import SqlServer, own_tmpdir

SUITE = "sid"
PACKAGES = ["mysql-server-core", "mysql-client-core"]
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIBRARY = "usr/lib/x86_64-linux-gnu"


def home():
    """The directory in the cache that holds the unpacked tree."""
    return os.path.join(cache_dir(), "mysql-9.7")


def root():
    return os.path.join(home(), "root")


def program(name):
    """The argv prefix that runs `name` (usr/sbin/mysqld, usr/bin/mysqlbinlog) out of the tree."""
    tree = root()
    libraries = ":".join(os.path.join(tree, part) for part in (LIBRARY, "usr/lib/mysql/private"))
    return [os.path.join(tree, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", libraries,
            os.path.join(tree, name)]


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


def _apt_configuration(place):
    """Writes the configuration of an apt that knows only `place`; returns its path."""
    for part in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "state/lists/partial",
                 "cache/archives/partial", "log"):
        os.makedirs(os.path.join(place, part), exist_ok=True)
    with open(os.path.join(place, "status"), "w", encoding="ascii"):
        pass
    with open(os.path.join(place, "etc/sources.list"), "w", encoding="utf-8") as out:
        out.write("deb [signed-by=%s] %s %s main\n" % (KEYRING, _mirror(), SUITE))
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


def _fetch():
    place = home()
    apt = os.path.join(place, "apt")
    configuration = _apt_configuration(apt)
    _apt(configuration, apt + "/log/update.log", "update")
    _apt(configuration, apt + "/log/download.log", "-d", "install", *PACKAGES)
    fresh = root() + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    archives = sorted(glob.glob(apt + "/cache/archives/*.deb"))
    _unpack(archives, fresh)
    if not os.path.exists(os.path.join(fresh, "usr/sbin/mysqld")):
        raise ServerError("no mysqld among the %d packages fetched" % len(archives))
    os.rename(fresh, root())
    shutil.rmtree(os.path.join(apt, "state/lists"), ignore_errors=True)


def fetch():
    """Makes the tree when it is missing: about 75 MB from the mirror, half a minute."""
    if os.path.isdir(root()):
        return
    if not os.path.exists(KEYRING):
        raise ServerError("%s is missing; run tools/install_deps.sh run" % KEYRING)
    os.makedirs(home(), exist_ok=True)
    with open(os.path.join(home(), ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(root()):
            _fetch()


@functools.lru_cache(maxsize=None)
def _version():
    said = subprocess.run(program("usr/sbin/mysqld") + ["--no-defaults", "--version"], check=True,
                          capture_output=True, text=True).stdout
    return said.split("Ver ", 1)[1].split()[0]


class MySQL(SqlServer):
    """MySQL 9.7 with GTIDs on (gtid=False: off), ROW images and full metadata."""

    flavour = "mysql"

    def prepare(self):
        fetch()

    def version(self):
        fetch()
        return _version()

    def _base(self, datadir):
        tree = root()
        return program("usr/sbin/mysqld") + [
            "--no-defaults", "--datadir=" + datadir, "--tmpdir=" + own_tmpdir(datadir), "--basedir=" + tree + "/usr",
            "--plugin-dir=" + tree + "/usr/lib/mysql/plugin",
            "--lc-messages-dir=" + tree + "/usr/share/mysql", "--innodb-redo-log-capacity=64M",
            "--character-sets-dir=" + tree + "/usr/share/mysql/charsets"] + (
                ["--user=root"] if os.geteuid() == 0 else [])

    def initialise(self, datadir, log_path):
        script = datadir + ".sql"
        with open(script, "w", encoding="utf-8") as out:
            out.writelines(text + ";\n" for text in self.account_statements())
        command = self._base(datadir) + ["--initialize-insecure", "--init-file=" + script]
        with open(log_path, "wb") as log:
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        os.unlink(script)
        if done.returncode != 0:
            raise ServerError("MySQL's --initialize failed, see %s" % log_path)
        # Two servers with one uuid would take each other for themselves.
        os.unlink(os.path.join(datadir, "auto.cnf"))

    def command(self):
        return self._base(self.datadir) + [
            "--bind-address=127.0.0.1", "--port=%d" % self.port, "--socket=" + self.socket,
            "--pid-file=" + os.path.join(self.dir, "mysqld.pid"), "--skip-name-resolve",
            "--mysqlx=OFF", "--secure-file-priv=NULL", "--server-id=%d" % self.port,
            "--log-bin=binlog", "--gtid-mode=%s" % ("ON" if self.gtid else "OFF"),
            "--enforce-gtid-consistency=ON", "--binlog-row-metadata=" + self.metadata,
            "--binlog-row-image=FULL", "--log-bin-trust-function-creators=ON",
            "--innodb-buffer-pool-size=128M", "--performance-schema=OFF", "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=200"] + self.args

    def ready_texts(self):
        return ["ready for connections", "port: %d" % self.port]
