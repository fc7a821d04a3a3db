#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_tests.py BUILD[:SUITE[,SUITE...]]... - builds, runs the suites, says how many tests passed.

What the suites need is built; of a folder without suites, and of `build`, everything.

A cmocka executable counts by its cases, any other test as one; a test that dies counts as one
failure more. A failing test's output is shown, and its end once more after all tests: the last
lines of a log tell what failed. The last line is "N passed, N failed".

=> exit status 0; 1: a test failed, a build failed, or nothing ran
"""

import json
import pathlib
import re
import subprocess
import sys

SHOWN_AGAIN = 12 # lines

CASE_PASSED = re.compile(r"^\[       OK \] ", re.M)
CASE_FAILED = re.compile(r"^\[  FAILED  \] (?!\d+ test)(\S+)", re.M)


def count(test):
    """The cases of one test of Meson's log: (passed, failed)."""
    text = test.get("stdout", "") + test.get("stderr", "")
    passed = len(CASE_PASSED.findall(text))
    failed = len(set(CASE_FAILED.findall(text))) # listed again at the end
    good = test["result"] == "OK"
    if not good and failed == 0:
        failed = 1
    if good and passed == 0:
        passed = 1
    return passed, failed


def make(build):
    """Builds one folder, silently unless there is something to do. => False: does not build"""
    plan = subprocess.run(["ninja", "-C", build, "-n"], check=False, capture_output=True, text=True)
    if plan.returncode == 0 and "no work to do" in plan.stdout:
        return True
    print(f"building {build}", flush=True)
    done = subprocess.run(["ninja", "-C", build, "--quiet"], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(f"{done.stdout}{build}: does not build")
    return done.returncode == 0


def run_build(build, suites, failures):
    """Builds one folder and runs its suites: (passed, failed). failures gets (name, output)."""
    whole = build == "build" or not suites
    if whole and not make(build):
        return 0, 1
    if not suites:
        return 0, 0
    log = pathlib.Path(build) / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", build, "--quiet", "--print-errorlogs"]
    if whole:
        command.append("--no-rebuild")
    for suite in suites:
        command += ["--suite", suite]
    done = subprocess.run(command, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if not log.exists():
        print(f"{done.stdout}{build}: no test ran in {', '.join(suites)}")
        return 0, 1
    passed = failed = 0
    for line in log.read_text().splitlines():
        test = json.loads(line)
        test["name"] = test["name"].split(" / ")[-1] # without project and suites
        if test["result"] == "SKIP":
            print(f"  {build}: {test['name']}: skipped")
            continue
        good, bad = count(test)
        print(f"  {build}: {test['name']}: {good} passed, {bad} failed, {test['duration']:.1f} s")
        if bad:
            output = test.get("stdout", "") + test.get("stderr", "")
            print(output)
            failures.append((f"{build}: {test['name']}: {test['result']}", output))
        passed += good
        failed += bad
    if done.returncode != 0 and failed == 0:
        failed = 1
    return passed, failed


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = 0
    failures = []
    for argument in sys.argv[1:]:
        build, _, suites = argument.partition(":")
        good, bad = run_build(build, suites.split(",") if suites else [], failures)
        passed += good
        failed += bad
    for name, output in failures:
        print(f"{name}; its last lines:")
        print("".join(f"    {line}\n" for line in output.splitlines()[-SHOWN_AGAIN:]), end="")
    if passed == 0 and failed == 0:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
