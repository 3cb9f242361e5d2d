#!/usr/bin/env python3
"""Turns the files of a folder into C arrays.

    embed.py FOLDER OUT.c DEPFILE

OUT.c defines `assets` and `assets_len` of server/assets.h, sorted by path, index.html among them.
The etag is made of the content. DEPFILE tells ninja which files were read.
"""
import hashlib
import sys
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def array(index, data):
    """One static array; an empty file gets one byte that its length leaves out."""
    rows = []
    for at in range(0, max(len(data), 1), 16):
        rows.append("    " + "".join(f"{byte}," for byte in (data or b"\0")[at:at + 16]))
    return f"static const uint8_t asset_{index}[] = {{\n" + "\n".join(rows) + "\n};\n"


def main():
    folder, out, depfile = (Path(arg) for arg in sys.argv[1:4])
    if not (folder / "index.html").is_file():
        sys.exit(f"{folder}/index.html is not there: the page is built by `make` (or npm run build, in web/)")
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix())

    arrays, table = [], []
    for index, path in enumerate(files):
        if path.suffix not in TYPES:
            sys.exit(f"{path}: no content type is known for {path.suffix or 'a file without suffix'}")
        data = path.read_bytes()
        name = "/" + path.relative_to(folder).as_posix()
        etag = '"' + hashlib.sha256(data).hexdigest()[:16] + '"'
        arrays.append(array(index, data))
        table.append(f"    {{{c_string(name)}, {c_string(TYPES[path.suffix])}, asset_{index}, {len(data)}, "
                     f"{c_string(etag)}}},\n")
    out.write_text("/* Made by tools/embed.py. */\n#include \"server/assets.h\"\n\n" + "\n".join(arrays) +
                   "\nconst struct asset assets[] = {\n" + "".join(table) + "};\n" +
                   f"const size_t assets_len = {len(files)};\n")
    depfile.write_text(f"{out}: " + " ".join(str(p).replace(" ", "\\ ") for p in files) + "\n")


if __name__ == "__main__":
    main()
