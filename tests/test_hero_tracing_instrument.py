"""Clients whose calls are recorded: instrument()."""

from __future__ import annotations

import json

import pytest

from support.sdk_plays import Play, run_play

CLIENT = """
import asyncio
class Nested:
    def ping(self): return 'pong'
class Client:
    '''A client.'''
    limit = 5
    def __init__(self): self.nested = Nested(); self.looked = 0
    def get(self, path, *more, params=None, **rest): return {'path': path}
    def fail(self): raise ValueError('refused')
    async def fetch(self, n): await asyncio.sleep(0); return n
    def pages(self):
        yield 1
        yield 2
    async def apages(self):
        yield 1
    @property
    def fresh(self): self.looked += 1; return self.looked
    @staticmethod
    def static(x): return x
    @classmethod
    def made(cls): return cls
    def chain(self): return self
    def deferred(self): return self.fetch(7)
    def _private(self): return 'private'
    def __len__(self): return 3
    def __getitem__(self, key): return key
    def __enter__(self): return self
    def __exit__(self, *_): self.left = True
    async def __aenter__(self): return self
    async def __aexit__(self, *_): pass
    def __call__(self, x): return x
    def __add__(self, other): return (self, other)
    def __bool__(self): return False
bare = Client()
client = instrument(bare)
"""


def run_client(script: str) -> Play:
    """Run a script that has a client, bare and instrumented."""
    play = run_play(CLIENT + script)
    assert play.returncode == 0, play.stderr
    return play


def test_a_call_is_an_rpc_span_with_request_and_response() -> None:
    """Name, kind, service, method, arguments by name, and the result: all on the span."""
    play = run_client("""
with flow.step('root'):
    assert client.get('/a', 'b', params=[1], other=2) == {'path': '/a'}
""")

    span = play.span("rpc:Client.get")
    assert (span.kind, span.status, play.parent_name("rpc:Client.get")) == ("rpc", "ok", "root")
    assert (span.start["rpc_service"], span.start["rpc_method"]) == ("Client", "get")
    assert json.loads(span.tags["rpc.request"]) == {"path": "/a", "1": "b", "params": [1], "other": 2}
    assert json.loads(span.tags["rpc.response"]) == {"path": "/a"}


def test_a_service_may_have_another_name() -> None:
    """service= names the service of every call."""
    play = run_client("instrument(bare, service='billing').get('/')\n")

    assert play.span("rpc:Client.get").start["rpc_service"] == "billing"


def test_a_failed_call_is_a_failed_span() -> None:
    """What a method raises goes on, and fails its span."""
    play = run_client("""
try: client.fail()
except ValueError: print('caught')
""")

    assert play.stdout == "caught\n"
    assert play.span("rpc:Client.fail").error.startswith("ValueError: refused\n")
    assert "rpc.response" not in play.span("rpc:Client.fail").tags


def test_methods_of_every_shape_are_recorded() -> None:
    """Coroutines, generators, asynchronous generators, static and class methods keep their shape."""
    play = run_client("""
import inspect
async def main():
    assert await client.fetch(3) == 3
    assert await client.deferred() == 7
    assert [n async for n in client.apages()] == [1]
assert inspect.iscoroutinefunction(client.fetch) and inspect.isgeneratorfunction(client.pages)
assert str(inspect.signature(client.fetch)) == '(n)'
asyncio.run(main())
assert list(client.pages()) == [1, 2]
assert client.static(4) == 4 and client.made() is Client
""")

    names = [span.name.partition(".")[2] for span in play.spans]
    assert names == ["fetch", "deferred", "apages", "pages", "static", "made"]
    assert all(span.status == "ok" and span.ends == 1 for span in play.spans)
    assert play.span("rpc:Client.deferred").tags["rpc.response"] == "7"


def test_private_names_values_and_nested_clients_pass_through() -> None:
    """What is no public method is the client's own, and a property is asked once."""
    play = run_client("""
assert client._private() == 'private' and client.limit == 5 and client.nested is bare.nested
assert client.nested.ping() == 'pong'
assert (client.fresh, bare.looked) == (1, 1)
client.limit = 9
assert bare.limit == 9
del client.limit
assert bare.limit == 5
try: client.nothing
except AttributeError as error: assert 'Client' in str(error)
""")

    assert play.spans == []


def test_a_proxy_is_as_good_as_its_client() -> None:
    """isinstance, equality, hash, repr, len, items, calls, operators, truth, context managers."""
    run_client("""
assert isinstance(client, Client) and client.__class__ is Client and client.__doc__ == 'A client.'
assert client == bare and bare == client and hash(client) == hash(bare) and not client != bare
assert repr(client) == repr(bare) and str(client) == str(bare) and dir(client) == dir(bare)
assert len(client) == 3 and client['k'] == 'k' and client(5) == 5 and not client
assert (client + 1)[1] == 1
with client as inside: assert inside is client
assert bare.left
async def main():
    async with client as inside: assert inside is client
asyncio.run(main())
assert client.chain() is client
assert not hasattr(type(client), '__iter__') and not hasattr(client, '__iter__')
try: iter(instrument(object()))
except TypeError: pass
class Unhashable:
    __hash__ = None
try: hash(instrument(Unhashable()))
except TypeError: pass
else: raise AssertionError('hashed')
""")


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db_passwd",
        "access_token",
        "SECRET",
        "api_key",
        "apikey",
        "X-Api-Key",
        "Authorization",
        "Set-Cookie",
        "private_key",
        "credentials",
        "my_own_word",
    ],
)
def test_values_under_secret_keys_are_never_written(key: str) -> None:
    """By parameter, keyword, nested key, header pair, field and attribute, in request and response."""
    play = run_play(f"""
        import dataclasses, collections
        key, plain = {key!r}, {key!r}.lower().replace('-', '_')
        class Client:
            def send(self, *args, **kwargs): return args[0]
        exec('class Named(Client):\\n def named(self, ' + plain + '): return None')
        Fields = dataclasses.make_dataclass('Fields', [plain])
        Slots = collections.namedtuple('Slots', [plain])
        class Thing:
            def __init__(self): setattr(self, plain, 'hunter2')
            def __repr__(self): return 'hunter2'
        client = instrument(Named(), redact=['OWN-word'])
        client.named('hunter2')
        client.send({{'a': [{{key: 'hunter2'}}]}}, [(key, 'hunter2')], **{{plain: 'hunter2'}})
        client.send(Fields('hunter2')); client.send(Slots('hunter2')); client.send(Thing())
        client.send({{key.encode(): {{'deep': 'hunter2'}}}})
    """)

    assert play.returncode == 0, play.stderr
    assert len(play.spans) == 6
    assert not any(b"hunter2" in line for line in play.lines)
    assert sum(line.count(b"***") for line in play.lines) >= 9


def test_request_and_response_are_cut_at_4_kib() -> None:
    """Whatever is sent and comes back, each is 4 KiB of text at most, and nothing huge is looked through."""
    play = run_client("""
class Huge:
    def echo(self, x): return x
client = instrument(Huge())
for x in ('x' * 10_000_000, list(range(10_000_000)), {n: 'é' * 1000 for n in range(1000)}, b'y' * 10_000_000):
    client.echo(x)
print(hero_tracing._writer.faults)
""")

    assert play.stdout == "0\n"
    for span in play.spans:
        assert 3000 < len(span.tags["rpc.request"]) <= 4096
        assert 3000 < len(span.tags["rpc.response"]) <= 4096


def test_dynamic_clients_work() -> None:
    """Methods that a client makes up in __getattr__ are recorded; modules can be instrumented."""
    play = run_client("""
import json, functools
class Dynamic:
    def __getattr__(self, name):
        if name.startswith('_'): raise AttributeError(name)
        return functools.partial(print, name)
instrument(Dynamic()).anything(1)
assert instrument(json).dumps([1]) == '[1]'
""")

    assert [span.name for span in play.spans] == ["rpc:Dynamic.anything", "rpc:json.dumps"]
