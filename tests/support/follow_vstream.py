#!/usr/bin/python3
# tests/support/follow_vstream.py — an HTTP client that follows a keyspace's change stream through switches of traffic.
"""follow_vstream.py SOCKET QUERY: records go to standard output, a line each; an answer that ends with an error and a
VGTID is gone on from there, as the API's documentation asks of its clients. Other ends and other errors end it."""

import json
import sys
import urllib.parse

from fleet import UnixConnection


def follow(socket_path, query):
    """One answer: the last line's VGTID when it is an error, else None."""
    connection = UnixConnection(socket_path)
    connection.request("GET", "/v1/vstream?" + query)
    answer = connection.getresponse()
    for line in answer:
        record = json.loads(line)
        if "error" in record:
            print(line.decode(), file=sys.stderr, end="", flush=True)
            return record.get("vgtid")
        if record["op"] not in ("vgtid", "heartbeat"):
            print(line.decode(), end="", flush=True)
    return None


def main():
    socket_path, query = sys.argv[1:]
    place = ""
    while place is not None:
        place = follow(socket_path, query + (
            "&vgtid=" + urllib.parse.quote(json.dumps(place)) if place else ""))


if __name__ == "__main__":
    main()
