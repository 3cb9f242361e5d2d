#!/usr/bin/env python3
"""Prints "PASSED FAILED" for the testlog.json of a `meson test`.

A cmocka program counts each of its tests, any other program (a fuzz target) as one. A program that
ended badly counts at least one failure, whatever it printed.
"""
import json
import re
import sys

OK = re.compile(r"^\[ +OK \]", re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \] (\S+)$", re.MULTILINE)


def main():
    passed = failed = 0
    try:
        lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        test = json.loads(line)
        # cmocka prints its lines on either stream, by the version.
        text = test.get("stdout", "") + "\n" + test.get("stderr", "")
        ok, bad = len(OK.findall(text)), len(set(FAILED.findall(text)))
        if test["result"] != "OK":
            bad = max(bad, 1)
        elif ok == 0:
            ok = 1
        passed, failed = passed + ok, failed + bad
    print(passed, failed)


if __name__ == "__main__":
    main()
