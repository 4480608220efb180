#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boot the image in emulators and drive it over its serial line: run_e2e.py [--long] [NAME ...].

--long takes the tests of `make test-long` instead of those of `make test`; a name takes either.
Two at a time, the longest first. Logs stay in build/e2e/NAME/."""
import concurrent.futures
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "e2e"), os.path.join(HERE, "../scripts")]

import boot_ways  # noqa: E402
import consoles  # noqa: E402
import debugger  # noqa: E402
import errors  # noqa: E402
import guests  # noqa: E402
import isolation  # noqa: E402
import lastwords  # noqa: E402
import linux  # noqa: E402
import monitor  # noqa: E402
import share  # noqa: E402
import spec  # noqa: E402
from session import Failure, Skip  # noqa: E402

TESTS = (linux.TESTS + debugger.TESTS + spec.TESTS + monitor.TESTS + share.TESTS + guests.TESTS
         + errors.TESTS + isolation.TESTS + boot_ways.TESTS + lastwords.TESTS + consoles.TESTS)
LONG_TESTS = (share.LONG_TESTS + guests.LONG_TESTS + boot_ways.LONG_TESTS
              + debugger.LONG_TESTS)


def tail(name):
    path = f"build/e2e/{name.replace('_', '-')}/serial.log"
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        return file.read()[-2500:].decode("utf-8", "replace")


def run(test):
    start = time.monotonic()
    try:
        test()
        verdict, text = "ok", ""
    except Skip as why:
        verdict, text = "skip", str(why)
    except Failure as why:
        verdict, text = "FAIL", str(why)
    except Exception as why:  # a broken test is a failed test
        verdict, text = "FAIL", f"{type(why).__name__}: {why}"
    print(f"{verdict} {test.__name__} ({time.monotonic() - start:.0f} s)"
          + (f": {text}" if text else ""), flush=True)
    if verdict == "FAIL":
        print(tail(test.__name__), flush=True)
    return verdict


def main():
    os.makedirs("build/e2e", exist_ok=True)
    names = [argument for argument in sys.argv[1:] if argument != "--long"]
    tests = LONG_TESTS if "--long" in sys.argv else TESTS
    if names:
        tests = [t for t in TESTS + LONG_TESTS if t.__name__ in names]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(run, tests))
    counts = [verdicts.count(v) for v in ("ok", "FAIL", "skip")]
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    return 1 if counts[1] or not counts[0] else 0


sys.exit(main())
