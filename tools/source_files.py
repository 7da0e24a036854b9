"""tools/source_files.py — what the checkers share: the tracked C files and C text without comments."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def rooms():
    """LAYERS, in its order: {room: (the set of rooms that it may include, what lives there)}."""
    found = {}
    for line in (ROOT / "LAYERS").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, below, words = (cell.strip() for cell in line.split("|", 2))
            found[name] = (set(below.split()), words)
    return found


ROOMS = rooms()
LAYERS = list(dict.fromkeys(room.split("/", 1)[0] for room in ROOMS))  # the top folders


def room_of(name):
    """The room of a source file or header, "" for what is in none."""
    folder = name.rsplit("/", 1)[0]
    return folder if folder in ROOMS else ""


def tracked(*patterns):
    """Tracked files that exist, as paths relative to the root; outside of git, all files."""
    try:
        out = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--", *patterns],
            check=True, capture_output=True, text=True,
        ).stdout
        names = [name for name in out.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.rglob(pattern)]
        names = [name for name in names if not name.startswith("build")]
    return sorted(name for name in names if (ROOT / name).is_file())


def c_files():
    return tracked("*.c", "*.h")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


_TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S
)


def without_comments_and_strings(text):
    """The same text with comments and literals blanked; line numbers stay."""
    def blank(match):
        token = match.group(0)
        kept = re.sub(r"[^\n]", " ", token)
        return kept if token.startswith("/") else token[0] + kept[2:] + token[0]
    # An include's file name is no literal that may go.
    lines = text.split("\n")
    includes = {i: line for i, line in enumerate(lines) if re.match(r"\s*#\s*include", line)}
    result = _TOKEN.sub(blank, text).split("\n")
    for i, line in includes.items():
        result[i] = line
    return "\n".join(result)


def without_comments(text):
    """The same text with comments blanked; literals stay."""
    return _TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0))
                      if match.group(0).startswith("/") else match.group(0), text)
