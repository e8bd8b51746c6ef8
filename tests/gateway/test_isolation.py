"""A hostile notebook page in a real browser, opened by an instructor: it shares the hub's origin, and gets nowhere.

Sharing an origin means that cookies go along with whatever the page manages to ask for; what stops it is the policy
on its own answers, the filter on its redirects, and the headers on everything else. Each attack is the body of a
function that returns what it got; an exception or nothing is a failure.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import marimo
import pytest
from playwright.sync_api import Browser

from tests.gateway.client import Hub
from tests.gateway.conftest import hub_process

pytestmark = [pytest.mark.real, pytest.mark.browser]

ASKS = "fetch('/hub/whoami', {method: 'POST', body: 'x'}).then((r) => r.text())"
ATTACKS = {
    "fetch a page of the hub": "return await (await fetch('/hub/whoami')).text()",
    "fetch another's notebook": "return await (await fetch('/edit/user/bob/t1/ok')).text()",
    "post to the hub": "return (await fetch('/hub/whoami', {method: 'POST', body: 'x'})).status",
    "post without reading": "await fetch('/hub/whoami', {method: 'POST', mode: 'no-cors', body: 'x'}); return 'sent'",
    "ask the old way": """const x = new XMLHttpRequest(); x.open('GET', '/hub/whoami', false); x.send();
        return x.responseText""",
    "follow one's own redirect": "return await (await fetch('redirect?to=/hub/whoami')).json()",
    "open another's websocket": """return await new Promise((yes, no) => {
        const s = new WebSocket(location.origin.replace('http', 'ws') + '/edit/user/bob/w1/ws', 'marimo');
        s.onopen = () => yes('open'); s.onerror = () => no('refused') })""",
    "frame the hub": """const f = document.createElement('iframe'); f.src = '/hub/whoami'; document.body.append(f);
        await pause(); return f.contentDocument.body.innerText""",
    "frame another's notebook": """const f = document.createElement('iframe'); f.src = '/edit/user/bob/t1/page';
        document.body.append(f); await pause(); return f.contentDocument.body.innerText""",
    "embed the hub": """const o = document.createElement('object'); o.data = '/hub/whoami'; document.body.append(o);
        await pause(); return o.contentDocument.body.innerText""",
    "use a window of the hub": """const w = window.open('/hub/whoami'); await pause();
        return w.document.body.innerText""",
    "use a window of another's notebook": """const w = window.open('/edit/user/bob/t1/page'); await pause();
        return await (await w.fetch('/edit/user/bob/t1/ok')).text()""",
    "use a window of a static file": """const w = window.open(STATIC); await pause();
        return await (await w.fetch('/hub/whoami')).text()""",
    "use a window of a refusal": """const w = window.open('/edit/user/nobody/none/x'); await pause();
        return await (await w.fetch('/hub/whoami')).text()""",
    "work from a blob": """const text = `fetch('${location.origin}/hub/whoami').then(r => r.text())
            .then(postMessage, () => postMessage(''))`;
        return await new Promise((yes, no) => { const w = new Worker(URL.createObjectURL(new Blob([text])));
            w.onmessage = e => yes(e.data); w.onerror = no })""",
    "work from a static file": """return await new Promise((yes, no) => {
            const w = new Worker(STATIC, {type: 'module'}); w.onerror = no; pause().then(() => yes('started')) })""",
    "post from a worker of one's own": f"return await heard(new Worker(script(`{ASKS}.then(postMessage)`)))",
    "post from a module of one's own": f"""return await heard(new Worker(script(`{ASKS}.then(postMessage)`),
        {{type: 'module'}}))""",
    "post from a shared worker": f"""const w = new SharedWorker(script(`onconnect = (e) =>
        {ASKS}.then((t) => e.ports[0].postMessage(t))`)); return await heard(w.port)""",
    "post from a service worker": f"""const worker = await serving(`onmessage = (e) =>
        {ASKS}.then((t) => e.source.postMessage(t))`);
        const answer = heard(navigator.serviceWorker); worker.postMessage('go'); return await answer""",
    "answer for oneself": """await serving(`onfetch = (e) => { if (e.request.url.endsWith('made'))
            e.respondWith(new Response('<script>fetch("/hub/whoami").then((r) => r.text())'
                + '.then((t) => parent.found = t)</' + 'script>', {headers: {'Content-Type': 'text/html'}})) }`);
        const f = document.createElement('iframe'); f.src = 'made'; document.body.append(f);
        for (let n = 0; n < 20 && !window.found; n++) await pause(); return window.found""",
    "serve the whole hub": "await navigator.serviceWorker.register('sw', {scope: '/'}); return 'registered'",
    "write into a document of one's own": """const f = document.createElement('iframe');
        f.srcdoc = '<script>fetch("/hub/whoami").then(r => r.text()).then(t => parent.found = t)</' + 'script>';
        document.body.append(f); await pause(); return window.found""",
    "submit a form": """const i = document.createElement('iframe'); i.name = 'x'; document.body.append(i);
        const f = document.createElement('form'); f.method = 'POST'; f.action = '/hub/whoami'; f.target = 'x';
        document.body.append(f); f.submit(); await pause(); return i.contentDocument.body.innerText""",
}
# What the weakened hub must lose to, or the attacks above prove nothing.
WORK_WITHOUT_POLICY = set(ATTACKS) - {
    "follow one's own redirect",  # the filter does not belong to the policy
    "serve the whole hub",  # nor does the missing Service-Worker-Allowed
    "frame the hub",  # the hub's own headers
    "embed the hub",
    "submit a form",
    "use a window of the hub",
    "use a window of a static file",
    "use a window of a refusal",
}


def static_script() -> str:
    directory = Path(str(marimo.__file__)).parent / "_static"
    script = next(path for path in sorted(directory.glob("assets/worker-*.js")))
    return f"/_marimo/{metadata.version('marimo')}/{script.relative_to(directory)}"


def outcomes(browser: Browser, hub: Hub) -> dict[str, str]:
    """Open the hostile page as "prof" and return what each attack got ("" for nothing)."""
    origin = hub.origin.decode()
    found = {}
    for name, body in ATTACKS.items():
        context = browser.new_context()  # what one leaves behind changes what the next one gets
        context.add_cookies([{"name": "hub", "value": "prof", "url": origin}])
        page = context.new_page()
        page.goto(f"{origin}/edit/user/alice/t1/page")
        script = f"""async () => {{ const STATIC = '{static_script()}';
            const pause = () => new Promise(r => setTimeout(r, 200));
            const script = (text) => 'script?text=' + encodeURIComponent(text);
            const heard = (port) => new Promise((yes, no) => {{
                port.onmessage = (e) => yes(e.data); port.onerror = no; port.start?.();
                port.startMessages?.(); setTimeout(no, 4000) }});
            const serving = async (text) => {{
                const all = `oninstall = () => skipWaiting();
                    onactivate = (e) => e.waitUntil(clients.claim()); ${{text}}`;
                const taken = new Promise((yes) => {{ navigator.serviceWorker.oncontrollerchange = yes }});
                await navigator.serviceWorker.register(script(all), {{scope: './'}});
                await taken; return navigator.serviceWorker.controller }};
            try {{ return String((await (async () => {{ {body} }})()) || '') }} catch (e) {{ return '' }} }}"""
        found[name] = page.evaluate(script)
        context.close()
    return found


def test_a_hostile_page_gets_nothing(chromium: Browser, sessions: Path) -> None:
    with hub_process("protocol", sessions) as hub:
        assert {name: got for name, got in outcomes(chromium, hub).items() if got} == {}


def test_without_the_policy_it_gets_nearly_everything(chromium: Browser, sessions: Path) -> None:
    with hub_process("weak", sessions) as hub:
        assert {name for name, got in outcomes(chromium, hub).items() if got} == WORK_WITHOUT_POLICY
