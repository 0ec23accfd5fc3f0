"""What a case says about what it saw."""

import asyncio

PATIENCE = 15

# What the server says; the client keeps only the text.
NOT_BUILT = ("the server does not offer", "not built yet")


class Mismatch(Exception):
    """A case saw something else than it expects."""


def same(actual, expected, what):
    if actual != expected:
        raise Mismatch(f"{what}: expected {expected!r}, found {actual!r}"[:1500])


def holds(condition, what):
    if not condition:
        raise Mismatch(f"expected: {what}")


def is_not_built(error):
    """Whether an error is the server's word that it does not offer something (104, or a part of a service)."""
    return any(text in str(error) for text in NOT_BUILT)


async def refusal(awaitable, what):
    """The name of the error that the call raises; a call that succeeds is a mismatch."""
    try:
        kept = await within(awaitable, what)
    except Mismatch:
        raise
    except Exception as error:
        if is_not_built(error):
            raise
        return type(error).__name__, str(error)
    raise Mismatch(f"{what}: expected a refusal, found {kept!r}")


async def within(awaitable, what):
    try:
        return await asyncio.wait_for(awaitable, PATIENCE)
    except asyncio.TimeoutError:
        text = what() if callable(what) else what
        raise Mismatch(f"not within {PATIENCE} s: {text}") from None
