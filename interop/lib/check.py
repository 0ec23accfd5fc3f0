"""What a case says about what it saw."""

import asyncio

PATIENCE = 15


class Mismatch(Exception):
    """A case saw something else than it expects."""


def same(actual, expected, what):
    if actual != expected:
        raise Mismatch(f"{what}: expected {expected!r}, found {actual!r}"[:1500])


async def refusal(awaitable, what):
    """The name of the error that the call raises; a call that succeeds is a mismatch."""
    try:
        kept = await within(awaitable, what)
    except Mismatch:
        raise
    except Exception as error:
        return type(error).__name__, str(error)
    raise Mismatch(f"{what}: expected a refusal, found {kept!r}")


async def within(awaitable, what):
    try:
        return await asyncio.wait_for(awaitable, PATIENCE)
    except asyncio.TimeoutError:
        text = what() if callable(what) else what
        raise Mismatch(f"not within {PATIENCE} s: {text}") from None
