#!/usr/bin/env python3
"""Turns one file into a C array.

    embed_file.py FILE HEADER NAME OUT.c

OUT.c includes HEADER, which declares `const char NAME[]` and `const size_t NAME_len`.
"""
import sys
from pathlib import Path


def main():
    source, header, name, out = sys.argv[1:5]
    data = Path(source).read_bytes()
    rows = ["    " + "".join(f"{byte}," for byte in data[at:at + 16]) for at in range(0, len(data), 16)]
    Path(out).write_text(f'/* Made by tools/embed_file.py. */\n#include "{header}"\n\n'
                         f"const char {name}[] = {{\n" + "\n".join(rows) + "\n};\n"
                         f"const size_t {name}_len = {len(data)};\n")


if __name__ == "__main__":
    main()
