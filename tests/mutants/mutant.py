"""The files *.mutant beside this one, as dictionaries (run.py says what their lines are)."""

import glob
import os

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("rule", "file", "from", "to", "test")
OPTIONAL = ("cpu",)


def load(path):
    mutant = {"path": path, "name": os.path.basename(path)[:-7]}
    with open(path, encoding="utf-8") as text:
        for line in text:
            name, colon, value = line.rstrip("\n").partition(":")
            if colon and name in FIELDS + OPTIONAL:
                mutant[name] = value[1:] if value.startswith(" ") else value
    missing = [field for field in FIELDS if field not in mutant]
    if missing:
        raise ValueError("%s lacks %s" % (path, ", ".join(missing)))
    for field in ("from", "to"):
        mutant[field] = mutant[field].replace("\\n", "\n").replace("\\t", "\t")
    return mutant


def lacks(mutant):
    """The flags of /proc/cpuinfo that its code needs and this machine has not: there it is never run."""
    wanted = set(mutant.get("cpu", "").split())
    with open("/proc/cpuinfo", encoding="ascii") as text:
        flags = next((line.split(":", 1)[1].split() for line in text if line.startswith("flags")), [])
    return sorted(wanted - set(flags))


def load_all():
    return [load(path) for path in sorted(glob.glob(os.path.join(HERE, "*.mutant")))]


def read_target(mutant, root):
    """The file under root that it changes; a ValueError where its text does not occur there exactly once."""
    try:
        with open(os.path.join(root, mutant["file"]), encoding="utf-8") as target:
            text = target.read()
    except FileNotFoundError as missing:
        raise ValueError("there is no %s" % mutant["file"]) from missing
    if text.count(mutant["from"]) != 1:
        raise ValueError("its text occurs %d times in %s" % (text.count(mutant["from"]), mutant["file"]))
    return text
