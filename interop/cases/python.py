"""Every case of the Python client, by the sentence that names it."""

import asyncio
import os
import random
import signal

import diffusion.datatypes as types
from diffusion.session.session_attributes import ReconnectionStrategyImpl, SessionAttributes

from lib.check import holds, refusal, same, within
from lib.relay import Relay

CASES = {}


def case(name):
    def register(function):
        CASES[name] = function
        return function

    return register


@case("connects, pings and closes")
async def connects(t):
    session = await t.connect("client")
    same(str(session.state), "State.CONNECTED_ACTIVE", "the state")
    await within(session.ping_server(), "the answer to a ping")
    await session.close()
    same(str(session.state), "State.CLOSED_BY_CLIENT", "the state")


@case("connects anonymously")
async def connects_anonymously(t):
    session = await t.connect(None)
    await within(session.ping_server(), "the answer to a ping")


@case("is refused with a wrong password")
async def wrong_password(t):
    name, text = await refusal(t.connect("admin", "wrong"), "a wrong password")
    same((name, "AUTHENTICATION_FAILED" in text), ("ServerConnectionResponseError", True), "the error")


@case("connects below any path that ends in /diffusion")
async def paths(t):
    origin = t.url.removesuffix("/diffusion")
    for path in ["", "/path/diffusion", "/path/", "/a%20b/%C3%A9/", "/x/diffusion?foo=1"]:
        session = await t.connect("client", url=origin + path)
        await within(session.ping_server(), f"the answer to a ping below {path!r}")


@case("keeps 200 sessions at once")
async def crowd(t):
    admin = await t.connect("admin")
    await admin.topics.add_and_set_topic("crowd/a", types.INT64, 1)
    members = [await t.connect("client") for _ in range(200)]
    watches = [t.watch(member, "crowd/a", types.INT64) for member in members]
    await asyncio.gather(*(member.topics.subscribe("crowd/a") for member in members))
    await admin.topics.set_topic("crowd/a", 2, types.INT64)
    for watch in watches:
        await watch.until(lambda seen: len(seen.values) == 2, "two values")
        same(watch.values, [("crowd/a", 1), ("crowd/a", 2)], "the values of a member")


@case("stays connected while nobody says anything")
async def silence(t):
    session = await t.connect("admin")
    await asyncio.sleep(4.5)
    same(str(session.state), "State.CONNECTED_ACTIVE", "the state")
    await within(session.ping_server(), "the answer to a ping")


@case("is told when the server stops")
async def server_stops(t):
    session = await t.connect("client")
    await within(session.ping_server(), "the answer to a ping")
    os.kill(t.pid, signal.SIGTERM)

    async def closed():
        while not str(session.state).startswith("State.CLOSED"):
            await asyncio.sleep(0.05)

    await within(closed(), lambda: f"the end of the session, not {session.state}")
    same(str(session.state), "State.CLOSED_BY_SERVER", "the state")


VALUES = {
    "JSON": (types.JSON, [{"a": 1, "b": [True, None, "é"]}, [1.5, -7], "text"]),
    "BINARY": (types.BINARY, [b"\x00\x01\xff", b"", b"\t"]),
    "STRING": (types.STRING, ["Hello", "", "日本語 🙂"]),
    "INT64": (types.INT64, [2**63 - 1, -(2**63) + 1, 0]),
    "DOUBLE": (types.DOUBLE, [0.5, -1e300, 3.25]),
}


def carries(name):
    async def run(t):
        data_type, (first, second, third) = VALUES[name]
        admin = await t.connect("admin")
        reader = await t.connect("client")
        watch = t.watch(reader, "?kinds//", data_type)
        await reader.topics.subscribe("?kinds//")

        same(await admin.topics.add_topic("kinds/x", data_type), admin.topics.CREATED, "adding")
        same(await admin.topics.add_topic("kinds/x", data_type), admin.topics.EXISTS, "adding again")
        await admin.topics.set_topic("kinds/x", first, data_type)
        same(await admin.topics.add_and_set_topic("kinds/x", data_type, second), admin.topics.EXISTS, "setting")
        same(await admin.topics.add_and_set_topic("kinds/y", data_type, third), admin.topics.CREATED, "setting a new topic")
        await watch.until(lambda seen: len(seen.values) == 3, "three values")
        same(watch.values, [("kinds/x", first), ("kinds/x", second), ("kinds/y", third)], "the values seen")

        late_reader = await t.connect("client")
        late = t.watch(late_reader, "kinds/x", data_type)
        await late_reader.topics.subscribe("kinds/x")
        await late.until(lambda seen: len(seen.values) == 1, "the current value")
        same(late.values, [("kinds/x", second)], "what a later session sees first")

        result = await reader.topics.fetch_request().with_values(data_type).fetch("?kinds//")
        fetched = [(entry.path, getattr(entry.value, "value", entry.value)) for entry in result.results]
        same(fetched, [("kinds/x", second), ("kinds/y", third)], "the values fetched")

        same((await admin.topics.remove_topic("?kinds//")).removed_count, 2, "the number of topics removed")
        await watch.until(lambda seen: len(seen.unsubscribed) == 2, "the end of two subscriptions")
        same(sorted(watch.unsubscribed), [("kinds/x", "REMOVAL"), ("kinds/y", "REMOVAL")], "the reasons")

    return run


for _name in VALUES:
    CASES[f"adds, sets, watches, fetches and removes {_name} topics"] = carries(_name)


@case("sees 300 random JSON changes, equal and in order")
async def changes(t):
    dice = random.Random(7)
    value, values = {"rows": [], "note": "", "count": 0}, []
    for number in range(300):
        value = {**value, "count": number, "note": "n" * dice.randrange(200)}
        rows = list(value["rows"])
        rows.insert(dice.randrange(len(rows) + 1), {"id": dice.randrange(10**6), "price": dice.randrange(10**6) / 8})
        value["rows"] = rows[-40:]
        values.append(value)
    publisher = await t.connect("admin")
    reader = await t.connect("client")
    watch = t.watch(reader, "changes", types.JSON)
    await reader.topics.subscribe("changes")
    await publisher.topics.add_topic("changes", types.JSON.with_properties(CONFLATION="off"))
    for value in values:
        await publisher.topics.set_topic("changes", value, types.JSON)
    await watch.until(lambda seen: len(seen.values) == 300, "300 values")
    for index, (found, expected) in enumerate(zip(watch.values, values)):
        same(found[1], expected, f"value {index}")


async def back(session, watch, path, value):
    """Ends when the stream has seen the value, through a connection that came after the loss."""
    while dict(watch.values)[path] != value:
        holds(str(session.state) != "State.CLOSED_FAILED", "a session that the server takes back")
        await asyncio.sleep(0.05)


@case("reconnects and sees what changed")
async def reconnects(t):
    relay = Relay(t.url)
    admin = await t.connect("admin")
    await admin.topics.add_and_set_topic("lost", types.INT64, 0)
    attributes = SessionAttributes(reconnection_strategy=ReconnectionStrategyImpl(100))
    session = await t.connect("client", url=await relay.start(), attributes=attributes)
    watch = t.watch(session, "lost", types.INT64)
    await session.topics.subscribe("lost")
    await watch.until(lambda seen: len(seen.values) == 1, "the value")
    session_id = session.session_id
    for round_ in (1, 2, 3):
        relay.cut()
        await admin.topics.set_topic("lost", round_ * 10, types.INT64)
        await within(back(session, watch, "lost", round_ * 10), lambda: f"the value of round {round_}, not {watch.values[-1]}")
        await within(session.ping_server(), "the answer to a ping")
        await admin.topics.set_topic("lost", round_ * 10 + 1, types.INT64)
        await watch.until(lambda seen: seen.values[-1] == ("lost", round_ * 10 + 1), "the value after that")
    same(session.session_id, session_id, "the session id")
    relay.end()


@case("reconnects to 500 topics")
async def reconnects_to_many(t):
    relay = Relay(t.url)
    admin = await t.connect("admin")
    paths = [f"many/{number}" for number in range(500)]
    for path in paths:
        await admin.topics.add_and_set_topic(path, types.INT64, 0)
    attributes = SessionAttributes(reconnection_strategy=ReconnectionStrategyImpl(100))
    session = await t.connect("client", url=await relay.start(), attributes=attributes)
    watch = t.watch(session, "?many//", types.INT64)
    await session.topics.subscribe("?many//")
    await watch.until(lambda seen: len(seen.values) == len(paths), "the values")
    for round_ in (1, 2, 3):
        relay.cut()
        await admin.topics.set_topic(paths[0], round_ * 10, types.INT64)
        await within(back(session, watch, paths[0], round_ * 10), lambda: f"the value of round {round_}")
        for path in paths:
            await admin.topics.set_topic(path, round_ * 10 + 1, types.INT64)
        expected = {path: round_ * 10 + 1 for path in paths}
        await watch.until(lambda seen: dict(seen.values) == expected, "the values after that")
    relay.end()


async def stays_on_its_node(t):
    for name, url in (("plain", t.url), ("tls", t.secure_url)):
        sessions = [await t.connect("admin", url=url) for _ in range(8)]
        nodes = {str(session.session_id).split("-")[0] for session in sessions}
        holds(len(nodes) == 2, f"sessions of both nodes, not of {nodes}")
        for number, session in enumerate(sessions):
            path = f"{name}/{number}"
            watch = t.watch(session, path, types.INT64)
            await session.topics.subscribe(path)
            for value in range(20):
                await session.topics.add_and_set_topic(path, types.INT64, value)
            await watch.until(lambda seen: seen.values and seen.values[-1] == (path, 19), "the last value")


@case("is routed by its path by nginx")
async def routed_by_path(t):
    nodes = {}
    for first, path in (("one", "/one/diffusion"), ("two", "/two/diffusion"), ("one", "/one/more/diffusion")):
        session = await t.connect("admin", url=t.url.replace("/diffusion", path))
        node = str(session.session_id).split("-")[0]
        same(nodes.setdefault(first, node), node, f"the node of {path}")
    holds(nodes["one"] != nodes["two"], "another node for each path")


for _balancer in ("HAProxy", "nginx", "Caddy", "Traefik", "Envoy", "Apache", "Varnish"):
    CASES[f"stays on its node behind {_balancer}"] = stays_on_its_node


@case("unsubscribes and is told that it asked for it")
async def unsubscribes(t):
    admin = await t.connect("admin")
    reader = await t.connect("client")
    for path in ("u/a", "u/b"):
        await admin.topics.add_topic(path, types.INT64)
    watch = t.watch(reader, "?u//", types.INT64)
    await reader.topics.subscribe("?u//")
    await reader.topics.unsubscribe("u/a")
    await watch.until(lambda seen: len(seen.unsubscribed) == 1, "the end of a subscription")
    same(watch.unsubscribed, [("u/a", "REQUESTED")], "the reason")
    await admin.topics.set_topic("u/a", 1, types.INT64)
    await admin.topics.set_topic("u/b", 2, types.INT64)
    await watch.until(lambda seen: len(seen.values) == 1, "a value")
    same(watch.values, [("u/b", 2)], "the values after that")


@case("sets a value to null")
async def nulls(t):
    admin = await t.connect("admin")
    reader = await t.connect("client")
    watch = t.watch(reader, "nulls", types.INT64)
    await reader.topics.subscribe("nulls")
    await admin.topics.add_and_set_topic("nulls", types.INT64, 5)
    await admin.topics.set_topic("nulls", None, types.INT64)
    await watch.until(lambda seen: len(seen.values) == 2, "two values")
    same(watch.values, [("nulls", 5), ("nulls", None)], "the values")


@case("is refused a topic with another specification")
async def mismatch(t):
    admin = await t.connect("admin")
    await admin.topics.add_topic("twice", types.JSON)
    name, _ = await refusal(admin.topics.add_topic("twice", types.STRING), "another type")
    same(name, "ExistingTopicError", "the error")


@case("reads but does not write as an anonymous session")
async def anonymous(t):
    admin = await t.connect("admin")
    await admin.topics.add_and_set_topic("guarded", types.INT64, 1)
    guest = await t.connect(None)
    watch = t.watch(guest, "guarded", types.INT64)
    await guest.topics.subscribe("guarded")
    await watch.until(lambda seen: len(seen.values) == 1, "the value")
    for attempt in (
        guest.topics.add_topic("mine", types.JSON),
        guest.topics.set_topic("guarded", 2, types.INT64),
        guest.topics.add_and_set_topic("mine", types.INT64, 1),
    ):
        name, _ = await refusal(attempt, "writing")
        same(name, "ServiceMessageError", "the error")


@case("fetches properties")
async def fetches_properties(t):
    admin = await t.connect("admin")
    await admin.topics.add_topic("f/a", types.JSON)
    await admin.topics.add_topic("f/b", types.STRING.with_properties(PUBLISH_VALUES_ONLY=True))
    result = await admin.topics.fetch_request().with_properties().fetch("?f//")
    found = [(entry.path, entry.specification.PUBLISH_VALUES_ONLY) for entry in result.results]
    same(found, [("f/a", None), ("f/b", True)], "the properties")


@case("fetches the first or the last")
async def fetches_parts(t):
    admin = await t.connect("admin")
    for path in "abcde":
        await admin.topics.add_topic(f"f/{path}", types.JSON)
    first = await admin.topics.fetch_request().first(2).fetch("?f//")
    same(([entry.path for entry in first.results], first.has_more), (["f/a", "f/b"], True), "the first two")
    last = await admin.topics.fetch_request().after("f/b").last(2).fetch("?f//")
    same(([entry.path for entry in last.results], last.has_more), (["f/d", "f/e"], True), "the last two")


@case("appends to and queries time series")
async def time_series(t):
    admin = await t.connect("admin")
    await refusal(admin.time_series.append("series", "word", types.STRING), "no such topic")
    series = admin.time_series.of(types.STRING).with_properties(TIME_SERIES_RETAINED_RANGE="limit 100")
    await admin.topics.add_topic("series", series)
    events = [await admin.time_series.append("series", word, types.STRING) for word in ("one", "two")]
    same([event.sequence for event in events], [0, 1], "the events")
    await admin.time_series.edit("series", 0, "uno", types.STRING)
    found = await admin.time_series.range_query().as_(types.STRING).select_from("series")
    same([event.value for event in found.events], ["uno", "two"], "the values")


@case("sends requests to a path")
async def requests(t):
    from diffusion.messaging import RequestHandler

    async def answer(request, **_):
        return types.JSON({"echo": request.value if hasattr(request, "value") else request})

    admin = await t.connect("admin")
    control = await t.connect("control")
    await admin.messaging.add_request_handler("service", RequestHandler(answer, types.JSON, types.JSON))
    found = await control.messaging.send_request_to_path("service", types.JSON({"a": 1}), types.JSON)
    same(getattr(found, "value", found), {"echo": {"a": 1}}, "the answer")


@case("locks and unlocks")
async def locks(t):
    session = await t.connect("admin")
    lock = await session.lock("door")
    await lock.unlock()


@case("lists metric collectors")
async def metrics(t):
    session = await t.connect("admin")
    same(await session.metrics.list_topic_metric_collectors(), [], "the collectors")


@case("maps branches by session trees")
async def session_trees(t):
    session = await t.connect("admin")
    same(list(await session.session_trees.get_session_tree_branches_with_mappings()), [], "the branches")
