#!/usr/bin/env python3
"""Checks that the includes under src/ follow tools/layers.txt.

    check_layers.py [SRC [LAYERS]]

A folder may include itself and what stands on its line, and nothing else. Besides:
an include in quotes names a file under src/, headers don't include each other in a circle,
a .c file includes its own header first, and no folder is missing from the list or the tree.
"""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def read_layers(path):
    layers = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        folder, colon, below = line.partition(":")
        if not colon:
            sys.exit(f"{path}:{number}: expected 'folder: folders'")
        for other in below.split():
            # Folders that come later can't be named, so the map itself has no circle.
            if other not in layers:
                sys.exit(f"{path}:{number}: {other} is not among the lines above")
        layers[folder.strip()] = set(below.split())
    return layers


def circle(graph):
    """One circle of the graph as a list whose ends are equal, or None."""
    state = {}  # missing: not seen, True: on the way, False: done

    def walk(node, way):
        state[node] = True
        for after in sorted(graph.get(node, ())):
            if state.get(after):
                return way[way.index(after):] + [after]
            if after not in state:
                found = walk(after, way + [after])
                if found:
                    return found
        state[node] = False
        return None

    for node in sorted(graph):
        if node not in state:
            found = walk(node, [node])
            if found:
                return found
    return None


def check_file(src, path, layers, problems):
    """Adds what is wrong with one file to problems; returns the files it includes."""
    name = path.relative_to(src).as_posix()
    folder = name.split("/")[0]
    includes = INCLUDE.findall(path.read_text())
    for include in includes:
        there = include.split("/")[0]
        if not (src / include).is_file():
            # Generated and outside headers in quotes are not ours to judge, unless they look like ours.
            problems.append(f'{name}: "{include}" is no file under src/ (outside headers go in <>)')
        elif there != folder and there not in layers[folder]:
            problems.append(f"{name}: {folder}/ may not include {there}/")
    own = path.with_suffix(".h")
    if path.suffix == ".c" and own.is_file() and includes[:1] != [own.relative_to(src).as_posix()]:
        problems.append(f"{name}: its own header is not its first include")
    return includes


def main():
    root = Path(__file__).resolve().parent.parent
    src = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "src"
    layers = read_layers(Path(sys.argv[2]) if len(sys.argv) > 2 else root / "tools/layers.txt")

    problems = []
    for folder in sorted(p.name for p in src.iterdir() if p.is_dir()):
        if folder not in layers:
            problems.append(f"src/{folder} is not in the list of layers")
    for folder in layers:
        if not (src / folder).is_dir():
            problems.append(f"src/{folder} is in the list of layers but not in the tree")

    headers = {}
    files = [p for p in sorted(src.rglob("*.[chS]")) if p.relative_to(src).parts[0] in layers]
    for path in files:
        includes = check_file(src, path, layers, problems)
        if path.suffix == ".h":
            headers[path.relative_to(src).as_posix()] = includes
    found = circle(headers)
    if found:
        problems.append("headers in a circle: " + " -> ".join(found))

    for problem in problems:
        print(problem)
    print(f"layers: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
