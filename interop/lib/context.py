"""What a case works with: sessions of the published client against one server."""

import asyncio

import diffusion
from diffusion import Credentials, Session
from diffusion.features.topics import ValueStreamHandler

from lib.check import within


class Context:
    def __init__(self, url, pid, password, secure_url):
        self.secure_url = secure_url.replace("https://", "wss://", 1)
        self.url = url.replace("http://", "ws://", 1)
        self.pid = pid
        self.password = password
        self.sessions = []

    async def connect(self, principal="admin", password=None, url=None, **options):
        if principal is not None:
            options.update(principal=principal, credentials=Credentials(password or self.password))
        session = Session(url or self.url, **options)
        await within(session.connect(), f"{principal} to be connected")
        self.sessions.append(session)
        return session

    def watch(self, session, selector, data_type):
        return Watch(session, selector, data_type)

    async def end(self):
        for session in self.sessions:
            if not str(session.state).startswith("State.CLOSED"):
                try:
                    await asyncio.wait_for(session.close(), 5)
                except Exception:
                    pass  # the case has said what it has to say


class Watch:
    """The events of a value stream, in order."""

    def __init__(self, session, selector, data_type):
        self.events = []
        self._changed = asyncio.Event()
        handler = ValueStreamHandler(
            data_type, subscribe=self._subscribed, unsubscribe=self._unsubscribed, update=self._updated
        )
        session.topics.add_value_stream(selector, handler)

    async def _subscribed(self, *, topic_path, **_):
        self._note(("subscribe", topic_path))

    async def _unsubscribed(self, *, topic_path, reason, **_):
        self._note(("unsubscribe", topic_path, getattr(reason, "name", str(reason))))

    async def _updated(self, *, topic_path, topic_value, **_):
        self._note(("value", topic_path, getattr(topic_value, "value", topic_value)))

    def _note(self, event):
        self.events.append(event)
        self._changed.set()

    @property
    def values(self):
        return [(path, value) for kind, path, value in self._of("value")]

    @property
    def unsubscribed(self):
        return [(path, reason) for kind, path, reason in self._of("unsubscribe")]

    def _of(self, kind):
        return [event for event in self.events if event[0] == kind]

    async def until(self, test, what):
        async def fulfilled():
            while not test(self):
                self._changed.clear()
                await self._changed.wait()

        await within(fulfilled(), lambda: f"{what}; the stream saw {len(self.events)} events, last {self.events[-5:]}"[:800])
