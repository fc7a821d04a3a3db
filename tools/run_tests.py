#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_tests.py BUILD[:SUITE[,SUITE...]]... - builds, runs the suites, says how many tests passed.

What the suites need is built; of a folder without suites everything. A folder that is not set up is
first, by the Makefile. While the tests of one folder run, the next are built, with
what they leave of the processors: not all tests can use all of them.

A cmocka executable counts by its cases, any other test as one; a test that dies counts as one
failure more. A failing test's output is shown, and its end once more after all tests: the last
lines of a log tell what failed. The last line is "N passed, N failed".

=> exit status 0; 1: a test failed, a build failed, or nothing ran
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

SHOWN_AGAIN = 12 # lines
NICE = ["nice", "-n", "10"] # for builds: tests that race want their processors

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


def run(*command):
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def introspect(build, what):
    return json.loads((pathlib.Path(build) / "meson-info" / f"intro-{what}.json").read_text())


def needed(build, suites):
    """What the tests of these suites depend on, as ninja names it."""
    files = {target["id"]: target["filename"] for target in introspect(build, "targets")}
    wanted = [test for test in introspect(build, "tests")
              if any(suite.split(":")[-1] in suites for suite in test["suite"])]
    paths = {path for test in wanted for name in test["depends"] for path in files.get(name, [])}
    return sorted(os.path.relpath(path, os.path.abspath(build)) for path in paths)


def make(build, suites):
    """Builds what the suites need, silently unless there is something to do. => False: does not
    build"""
    if not (pathlib.Path(build) / "build.ninja").exists():
        done = run(*NICE, "make", "--silent", f"{build}/build.ninja")
        if done.returncode != 0:
            print(f"{done.stdout}{build}: cannot be set up")
            return False
    run(*NICE, "ninja", "-C", build, "build.ninja") # whose targets are looked at; fails again below
    targets = needed(build, suites) if suites else ["all"]
    plan = run("ninja", "-C", build, "-n", *targets)
    if not targets or plan.returncode == 0 and "no work to do" in plan.stdout:
        return True
    print(f"building {build}", flush=True)
    done = run(*NICE, "ninja", "-C", build, "--quiet", *targets)
    if done.returncode != 0:
        print(f"{done.stdout}{build}: does not build")
    return done.returncode == 0


def run_suites(build, suites, failures):
    """Runs the suites of a folder that is built: (passed, failed). failures gets (name, output)."""
    log = pathlib.Path(build) / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", build, "--quiet", "--print-errorlogs", "--no-rebuild"]
    for suite in suites:
        command += ["--suite", suite]
    done = run(*command)
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
    folders = [(build, suites.split(",") if suites else [])
               for build, _, suites in (argument.partition(":") for argument in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(1) as builder:
        builds = [builder.submit(make, *folder) for folder in folders]
        for (build, suites), built in zip(folders, builds):
            if not built.result():
                failed += 1
            elif suites:
                good, bad = run_suites(build, suites, failures)
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
