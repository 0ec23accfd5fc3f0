"""Runs one case with the published Python client and prints how it went as one line of JSON.

    python run.py CASE URL [PID]     the server's URL, and its process id where a case may signal it;
                                     the password of its principals is in SUFFUSE_PASSWORD; where something ends
                                     TLS before it, the URL with TLS is in SUFFUSE_SECURE_URL. (This client
                                     takes certificates of issuers that it does not know.)
    python run.py --list             the names of the cases, one a line
"""

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path

from cases.python import CASES
from lib.check import Mismatch, is_not_built
from lib.context import Context

FOLDER = Path(__file__).resolve().parent / "cases"
CASE_SECONDS_MAX = 50



async def outcome_of(case, context):
    try:
        await asyncio.wait_for(case(context), CASE_SECONDS_MAX)
        return {"outcome": "works"}
    except Mismatch as error:
        return {"outcome": "failed", "detail": str(error)}
    except Exception as error:
        if is_not_built(error):
            return {"outcome": "not built"}
        return {"outcome": "failed", "detail": describe(error)}
    finally:
        await context.end()


def describe(error):
    """What was raised, and where in the cases it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if FOLDER in Path(frame.filename).parents]
    return f"{type(error).__name__}: {error} (at {', '.join(ours)})"


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    name, url, *pid = sys.argv[1:]
    password = os.environ.get("SUFFUSE_PASSWORD", "password")
    context = Context(url, int(pid[0]) if pid else None, password, os.environ.get("SUFFUSE_SECURE_URL", ""))
    print(json.dumps(asyncio.run(outcome_of(CASES[name], context))))


main()
