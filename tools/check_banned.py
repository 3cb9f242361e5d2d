#!/usr/bin/env python3
"""Checks src/ for calls that we don't make, for unnumbered to-dos and for long functions.

    check_banned.py [SRC]

A line that has a reason to break a rule says so: a comment `allowed: reason` on the line or on
the one above it.
"""
import re
import sys
from pathlib import Path

FUNCTION_LINES_MAX = 100

# (names, where they may stand all the same, what to use instead). A place is a folder or a file.
RULES = [
    ("strcpy strcat strncpy sprintf vsprintf gets strtok", [], "struct buf, or snprintf with its result checked"),
    ("atoi atol atof", [], "a parser that reports errors"),
    ("strtol strtoul strtoll strtoull", ["base"], "the number parsers of base/"),
    ("localtime gmtime ctime asctime", [], "the _r forms"),
    ("alloca", [], "the arena: coroutine stacks are small"),
    ("rand srand random srandom", [], "a generator with its own state"),
    ("system popen signal setjmp longjmp sigsetjmp siglongjmp", [], "libuv's processes and signals, error codes"),
    ("exit _exit quick_exit", ["cmd/main.c"], "an error code, up to cmd/main.c"),
    ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc",
     ["base/mem.c"], "base/mem"),
    ("getaddrinfo getnameinfo gethostbyname fsync fdatasync sleep usleep nanosleep", [], "a job of rt/offload"),
    ("printf vprintf puts putchar perror", ["cmd"], "base/log, or an error that cmd/ prints"),
]

ALLOWED = re.compile(r"allowed:\s*\S")
TODO = re.compile(r"\b(TODO(?!\(#\d+\))|FIXME|XXX)\b")
# Comments, strings and characters, in the order in which C sees them.
QUIET = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(match):
    """The same number of lines, nothing else."""
    return re.sub(r"[^\n]", " ", match.group())


def rules_for(name):
    for names, places, instead in RULES:
        if not any(name == place or name.startswith(place + "/") for place in places):
            # A member or a declaration of another name may end in the word: `loop->free(`, `js_free(`.
            calls = re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(")
            yield calls, instead


def long_functions(name, code):
    """clang-format puts a function's braces alone into the first column."""
    start = None
    for number, line in enumerate(code, 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start is not None:
            if number - start > FUNCTION_LINES_MAX:
                yield f"{name}:{start}: a function of {number - start} lines (at most {FUNCTION_LINES_MAX})"
            start = None


def check_file(src, path):
    name = path.relative_to(src).as_posix()
    text = path.read_text()
    lines = text.splitlines()
    code = QUIET.sub(blank, text).splitlines()
    problems = []
    for calls, instead in rules_for(name):
        for number, line in enumerate(code, 1):
            call = calls.search(line)
            near = lines[max(0, number - 2):number]
            if call and not any(ALLOWED.search(l) for l in near):
                problems.append(f"{name}:{number}: {call.group(1)}() is banned here: use {instead}")
    for number, line in enumerate(lines, 1):
        if TODO.search(line):
            problems.append(f"{name}:{number}: a to-do needs a number: TODO(#123)")
    problems.extend(long_functions(name, code))
    return problems


def main():
    src = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "src"
    files = sorted(src.rglob("*.[ch]"))
    problems = [problem for path in files for problem in check_file(src, path)]
    for problem in problems:
        print(problem)
    print(f"banned: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
