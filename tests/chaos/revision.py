# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""What is tried, as git names it."""
import os
import subprocess


def commit(*words):
    """git's answer; "" where there is no repository, as in the lab."""
    try:
        return subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), *words], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""
