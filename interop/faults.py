"""The published client whose connections break: says what it sees as lines of JSON, until it is killed.

    python faults.py URL     the password of its principals is in SUFFUSE_PASSWORD

It watches the topics below `load`, and sets `up` to 1, 2, 3, …
"""

import asyncio
import json
import os
import sys
import time

import diffusion.datatypes as types
from diffusion import Credentials, Session
from diffusion.features.topics import ValueStreamHandler
from diffusion.session.session_attributes import ReconnectionStrategyImpl, SessionAttributes


# How long nothing may come before an application would give a session up: this client sometimes does not
# notice that its new connection is lost as well.
SILENCE_SECONDS_MAX = 10

last_said = time.monotonic()


def say(*words):
    global last_said
    last_said = time.monotonic()
    print(json.dumps(words), flush=True)


async def subscribed(*, topic_path, **_):
    say("subscribed", topic_path)


async def updated(*, topic_path, topic_value, **_):
    say("value", topic_path, getattr(topic_value, "value", topic_value)["n"])


async def ignored(**_):
    pass


class Follower:
    session = None

    async def watch(self):
        session = Session(
            sys.argv[1].replace("http://", "ws://", 1),
            principal="admin",
            credentials=Credentials(os.environ["SUFFUSE_PASSWORD"]),
            attributes=SessionAttributes(reconnection_strategy=ReconnectionStrategyImpl(10)),
        )
        await session.connect()
        session.topics.add_value_stream(
            "?load/", ValueStreamHandler(types.JSON, subscribe=subscribed, unsubscribe=ignored, update=updated)
        )
        await session.topics.subscribe("?load/")
        say("ready")
        self.session = session
        while not str(session.state).startswith("State.CLOSED"):
            await asyncio.sleep(0.05)
            if time.monotonic() - last_said > SILENCE_SECONDS_MAX:
                say("closed", f"silent, although it is {session.state}")
                return
        say("closed", str(session.state))

    async def publish(self):
        number = 0
        while True:
            number += 1
            try:
                await asyncio.wait_for(self.session.topics.set_topic("up", {"n": number}, types.JSON), 10)
                say("acknowledged", number)
            except (Exception, asyncio.CancelledError):
                # Lost with the connection, which cancels requests: it may have been set or not.
                pass
            await asyncio.sleep(0.005)


async def main():
    follower = Follower()
    publishing = None
    while True:
        try:
            watching = asyncio.ensure_future(follower.watch())
            while publishing is None and not watching.done():
                await asyncio.sleep(0.01)
                if follower.session is not None:
                    publishing = asyncio.ensure_future(follower.publish())
            await watching
        except Exception as error:
            say("note", repr(error))
            await asyncio.sleep(0.05)


asyncio.run(main())
