#!/usr/bin/python3
# tests/servers/servers.py — the harness by hand: fetch, start, stop, kill and restart one server.
"""Starts and stops the test servers from a shell.

  servers.py fetch mysql|mariadb11|kafka|libmysqlclient
  servers.py start mariadb|mariadb11|mysql|kafka --dir D [--port N] [--database DB]... [--gtid off] [-- ARGS]
  servers.py stop|kill|restart|show --dir D
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sluice_servers import Kafka, MariaDB, MariaDB11, MySQL, ServerError  # noqa: E402
from sluice_servers import kafka, libmysqlclient, mariadb, mysql  # noqa: E402

FETCH = {"mysql": mysql.fetch, "mariadb11": mariadb.fetch_11, "kafka": kafka.fetch,
         "libmysqlclient": libmysqlclient.fetch}
CLASSES = {"mariadb": MariaDB, "mariadb11": MariaDB11, "mysql": MySQL, "kafka": Kafka}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fetch = verbs.add_parser("fetch")
    fetch.add_argument("kind", choices=sorted(FETCH))
    start = verbs.add_parser("start")
    start.add_argument("kind", choices=sorted(CLASSES))
    start.add_argument("--dir", required=True)
    start.add_argument("--port", type=int)
    start.add_argument("--database", action="append", default=[])
    start.add_argument("--gtid", choices=["on", "off"], default="on")
    start.add_argument("--metadata", choices=["FULL", "MINIMAL", "NO_LOG"], default="FULL")
    start.add_argument("args", nargs="*", help="more options of the server, after --")
    for verb in ("stop", "kill", "restart", "show"):
        verbs.add_parser(verb).add_argument("--dir", required=True)
    return parser.parse_args()


def make(options):
    if options.kind == "kafka":
        return Kafka(options.dir, port=options.port, properties=options.args)
    return CLASSES[options.kind](options.dir, port=options.port, databases=options.database,
                                 args=options.args, gtid=options.gtid == "on",
                                 metadata=options.metadata)


def known(directory):
    """The server that an earlier call started in `directory`."""
    with open(os.path.join(directory, "server.json"), encoding="utf-8") as text:
        stored = json.load(text)
    options = {key: stored[key] for key in ("port", "args", "gtid", "metadata", "databases",
                                            "properties") if key in stored}
    server = CLASSES[stored["kind"]](directory, **options)
    server.recall()
    return server


def show(server):
    state = dict(server.describe(), pid=server.pid, alive=server.alive())
    print(json.dumps(state, indent=1))


def main():
    options = arguments()
    if options.verb == "fetch":
        print(FETCH[options.kind]())
        return
    if options.verb == "start":
        show(make(options).start(detached=True))
        return
    server = known(options.dir)
    if options.verb == "stop":
        server.stop()
    elif options.verb == "kill":
        server.kill9()
    elif options.verb == "restart":
        server.stop()
        server.start(detached=True)
    if options.verb in ("restart", "show"):
        show(server)


if __name__ == "__main__":
    try:
        main()
    except ServerError as error:
        sys.exit("servers: %s" % error)
