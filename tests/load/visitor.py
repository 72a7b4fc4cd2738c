"""A browser tab without a browser: Streamlit's own messages over its own websocket, and its upload by HTTP.

What a tab does by itself is done too: fragments that ask to be run again every so often are.
"""

from __future__ import annotations

import asyncio
import http.client
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_SECONDS = 60.0
WIDGETS = ("selectbox", "button_group", "slider", "button", "file_uploader", "checkbox")


@dataclass
class Told:
    """What all visitors together have seen."""

    pages: list[float] = field(default_factory=list)
    """Seconds from asking for a page to its last word."""
    ticks: list[float] = field(default_factory=list)
    """The same of fragments that are run again by the clock."""
    uploads: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    images: int = 0
    """Photographs handed over."""
    runs: set[str] = field(default_factory=set)
    """Runs asked for, by the id that the server gave."""


class Visitor:
    """One tab at one server. `page`, `widgets` and `query` are those of the page as it was last drawn."""

    def __init__(self, port: int, told: Told) -> None:
        self.port, self.told = port, told
        self.pages: dict[str, str] = {}
        self.page, self.query, self.session = "", "", ""
        self.widgets: dict[str, tuple[str, Any, str]] = {}
        self.states: dict[str, WidgetState] = {}
        self._socket: ClientConnection | None = None
        self._cookie = ""
        self._finished: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        """How each run ended, and of which page it was."""
        self._drawing = ""
        self._urls: asyncio.Queue[Any] = asyncio.Queue()
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, float] = {}
        self._listener: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and have the first page drawn."""
        self._cookie = await asyncio.to_thread(self._greet)
        self._socket = await connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            subprotocols=["streamlit", "PLACEHOLDER_AUTH_TOKEN"],  # type: ignore[list-item]
            origin=f"http://127.0.0.1:{self.port}",  # type: ignore[arg-type]
            additional_headers={"Cookie": self._cookie},
            max_size=None,
        )
        self._listener = asyncio.create_task(self._listen())
        await self._run()

    async def close(self) -> None:
        for clock in self._clocks.values():
            clock.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self._socket is not None:
            await self._socket.close()

    # What a person does

    async def visit(self, page: str, **query: str) -> None:
        """Open a page by its address, as a click in the sidebar does."""
        self.states.clear()  # what was set by hand gives way to what the address says
        self.page, self.query = page, urlencode(query)
        await self._run()

    async def press(self, label: str) -> bool:
        """Press the button of that name; false where there is none."""
        for name, (kind, button, fragment) in self.widgets.items():
            if kind == "button" and button.label == label and not button.disabled:
                await self._run(WidgetState(id=name, trigger_value=True), fragment)
                return True
        return False

    async def choose(self, pick: Callable[[Sequence[Any]], Any]) -> bool:
        """Set some box, slider or row of choices to something else; false where there is none."""
        found = [(name, *rest) for name, rest in self.widgets.items() if _others(rest[0], rest[1])]
        if not found:
            return False
        name, kind, widget, fragment = pick(found)
        value = pick(_others(kind, widget))
        state = WidgetState(id=name)
        if kind == "selectbox":
            state.string_value = value
        elif kind == "slider":
            state.double_array_value.data.append(value)
        elif kind == "checkbox":
            state.bool_value = value
        else:
            state.string_array_value.data.append(value)
        self.states[name] = state
        await self._run(None, fragment)
        return True

    async def write(self, label: str, text: str) -> None:
        """Type into a box of choices that takes new ones."""
        for name, (kind, box, fragment) in self.widgets.items():
            if kind == "selectbox" and box.label == label:
                self.states[name] = WidgetState(id=name, string_value=text)
                await self._run(None, fragment)
                return
        self.told.errors.append(f"there is no box {label!r}")

    async def upload(self, files: dict[str, bytes]) -> None:
        """Hand files to the page's uploader."""
        name = next((name for name, (kind, *_) in self.widgets.items() if kind == "file_uploader"), "")
        if not name:
            self.told.errors.append("there is no uploader")
            return
        began = time.monotonic()
        ask = BackMsg()
        ask.file_urls_request.request_id = secrets.token_hex(4)
        ask.file_urls_request.session_id = self.session
        ask.file_urls_request.file_names.extend(files)
        await self._send(ask)
        answer = await asyncio.wait_for(self._urls.get(), PATIENCE_SECONDS)
        state = WidgetState(id=name)
        for urls, (called, data) in zip(answer.file_urls, files.items(), strict=True):
            code = await asyncio.to_thread(self._put, urls, called, data)
            if code not in (200, 204):
                self.told.errors.append(f"upload: {code}")
            state.file_uploader_state_value.uploaded_file_info.add(
                name=called, size=len(data), file_id=urls.file_id, file_urls=urls
            )
        self.states[name] = state
        fragment = self.widgets[name][2]
        await self._run(None, fragment)
        self.states.pop(name, None)  # the page has emptied it and has a new one now
        self.told.uploads.append(time.monotonic() - began)
        self.told.images += len(files)

    # What a browser does

    async def _run(self, extra: WidgetState | None = None, fragment: str = "") -> None:
        """Have the page, or a fragment of it, run; returns when its last word has come."""
        began = time.monotonic()
        if not fragment:
            for clock in self._clocks.values():
                clock.cancel()
            self._clocks.clear()
            self.widgets.clear()
        while not self._finished.empty():
            self._finished.get_nowait()
        asked = self.pages.get(self.page, "")
        ends = {ForwardMsg.FINISHED_SUCCESSFULLY}
        if fragment:
            ends.add(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
        await self._send(self._rerun(extra, fragment))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:  # runs by the clock end, too
                    status, drawn = await self._finished.get()
                    if status in ends and asked in ("", drawn):
                        break
        except TimeoutError:
            self.told.errors.append(f"no answer within {PATIENCE_SECONDS:.0f} s on {self.page or 'start'}")
        self.told.pages.append(time.monotonic() - began)
        if not fragment:
            self.states = {name: state for name, state in self.states.items() if name in self.widgets}

    def _rerun(self, extra: WidgetState | None, fragment: str, *, by_clock: bool = False) -> BackMsg:
        asked = ClientState(query_string=self.query, fragment_id=fragment, is_auto_rerun=by_clock)
        asked.page_script_hash = self.pages.get(self.page, "")
        asked.widget_states.widgets.extend(self.states.values())
        if extra is not None:
            asked.widget_states.widgets.append(extra)
        return BackMsg(rerun_script=asked)

    async def _tick(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            if fragment not in self._asked:  # a browser does not ask again before it was answered
                self._asked[fragment] = time.monotonic()
                await self._send(self._rerun(None, fragment, by_clock=True))

    async def _send(self, message: BackMsg) -> None:
        assert self._socket is not None
        try:
            await self._socket.send(message.SerializeToString())
        except Exception as error:  # whatever breaks the line is what is looked for
            self.told.errors.append(f"send: {error!r}"[:120])

    async def _listen(self) -> None:
        assert self._socket is not None
        try:
            async for data in self._socket:
                message = ForwardMsg()
                message.ParseFromString(data if isinstance(data, bytes) else data.encode())
                self._heed(message)
        except Exception as error:
            self.told.errors.append(f"line: {error!r}"[:120])

    def _heed(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session = message.new_session.initialize.session_id or self.session
            self._drawing = message.new_session.page_script_hash
        elif kind == "navigation":
            self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "file_urls_response":
            self._urls.put_nowait(message.file_urls_response)
        elif kind == "auto_rerun":
            fragment = message.auto_rerun.fragment_id
            if fragment not in self._clocks:
                task = asyncio.create_task(self._tick(fragment, message.auto_rerun.interval))
                self._clocks[fragment] = task
        elif kind == "script_finished":
            self._over(message.script_finished)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._draw(message.delta)

    def _over(self, status: int) -> None:
        if status == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY and self._asked:
            fragment = next(iter(self._asked))
            self.told.ticks.append(time.monotonic() - self._asked.pop(fragment))
        elif status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self._asked.clear()  # a run of the whole page has taken their place
        self._finished.put_nowait((status, self._drawing))

    def _draw(self, delta: Any) -> None:
        kind = delta.new_element.WhichOneof("type")
        if kind == "exception":
            self.told.errors.append(f"{self.page}: {delta.new_element.exception.message}"[:200])
        elif kind in WIDGETS:
            widget = getattr(delta.new_element, kind)
            self.widgets[widget.id] = (kind, widget, delta.fragment_id)

    def asked_run(self) -> str:
        """The run that the address names."""
        return parse_qs(self.query).get("run", [""])[0]

    def _greet(self) -> str:
        """What a browser fetches before it opens the line; returns its cookies."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/_stcore/health")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        cookies = answer.headers.get_all("Set-Cookie") or []
        return "; ".join(cookie.partition(";")[0] for cookie in cookies)

    def _put(self, urls: FileURLs, name: str, data: bytes) -> int:
        boundary = secrets.token_hex(12)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + data + f"\r\n--{boundary}--\r\n".encode()
        token = next(
            (c.partition("=")[2] for c in self._cookie.split("; ") if c.startswith("_streamlit_xsrf")), ""
        )
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Cookie": self._cookie,
            "X-Xsrftoken": token,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("PUT", urls.upload_url, body, headers)
            return connection.getresponse().status
        except OSError as error:
            self.told.errors.append(f"upload: {error!r}"[:120])
            return 204
        finally:
            connection.close()


def _others(kind: str, widget: Any) -> list[Any]:
    """What else a widget can be set to."""
    if widget.__class__.__name__ != "FileUploader" and widget.disabled:
        return []
    if kind == "selectbox":
        return list(widget.options) if not widget.accept_new_options else []
    if kind == "slider" and not widget.options and widget.max > widget.min:
        middle = widget.min + round((widget.max - widget.min) / 2 / (widget.step or 1)) * (widget.step or 1)
        return [widget.min, middle]
    if kind == "checkbox":
        return [True, False]
    if kind == "button_group":
        return [option.content for option in widget.options if option.content]
    return []
