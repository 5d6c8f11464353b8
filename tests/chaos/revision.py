# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""What is tried, as git names it, and the head of what is kept of a run."""
import datetime
import os
import subprocess
import sys


def commit(*words):
    """git's answer; "" where there is no repository, as in the lab."""
    try:
        return subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), *words], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def head(program, revision):
    """The first fields of a result file: how this run of tests/chaos/PROGRAM was called, of which code, and when it ended."""
    return {"command": " ".join([f"tests/chaos/{program}", *sys.argv[1:]]), "commit": revision,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}
