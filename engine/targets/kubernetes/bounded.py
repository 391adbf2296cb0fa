"""Runs a program for so many seconds at most: ``python -I -S bounded.py SECONDS PROGRAM [ARGUMENT...]``.

A kubeconfig may name a program that gives credentials, and the library that runs it waits for its end without a bound.
So it runs this in its place: what has not ended in time is ended with everything that it has started.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LATE = 124
"""The exit code of a program that was ended, as coreutils' `timeout` has it."""
_ABSENT = 127


def wrapped(command: str, arguments: Sequence[str], seconds: float) -> tuple[str, list[str]]:
    """Return the command and its arguments that run a program within a bound."""
    return sys.executable, ["-I", "-S", str(Path(__file__).resolve()), f"{seconds:g}", command, *arguments]


def main(seconds: float, program: Sequence[str]) -> int:
    """Run it. Returns its exit code."""
    try:
        process = subprocess.Popen(program, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {os.strerror(error.errno or 0)}\n")
        return _ABSENT
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        sys.stderr.write(f"{program[0]}: ended after {seconds:g} s\n")
        return LATE


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
