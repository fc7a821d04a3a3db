#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""speed.py TOOL [RUNS] - events a second of each recording's replay: median of RUNS (default 5).

The clock runs over the replay alone: the recording is parsed and RAM is populated before.
"""

import json
import pathlib
import statistics
import subprocess
import sys

TRACES = pathlib.Path(__file__).resolve().parent.parent / "traces"


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    runs = int(sys.argv[2]) if len(sys.argv) == 3 else 5
    print(f"{'recording':16} {'events':>8} {'events/s':>12} {'slowest':>12} {'fastest':>12}")
    for trace in sorted(TRACES.glob("*.txt.zst")):
        rates = []
        for _ in range(runs):
            done = subprocess.run([sys.argv[1], "replay", str(trace), "--json", "-"],
                                  check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            result = json.loads(done.stdout)
            rates.append(result["events_per_second"])
        print(f"{trace.name.removesuffix('.txt.zst'):16} {result['events']:8} "
              f"{statistics.median(rates):12.0f} {min(rates):12.0f} {max(rates):12.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
