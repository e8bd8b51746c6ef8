// The start page: begins the session, shows its steps, and goes to the notebook.
import { Refusal, ask, make, t, tellTabs, within } from "./ask.js";

const id = (name) => document.getElementById(name);
const { start, target: usual, events, failed } = id("start").dataset;
const CALM = 150; // ms without a spinner: a session that is up answers sooner
let source; // the steps, while they are shown
let accepted = false; // the hub took the order and works on: its end is told by events
let leaving = false;
let stale = true; // what the list shows is replaced by the next step: no gap in between
let anew = false; // the way on leads through the login: the whole page is asked for again

function leave(url) {
  if (leaving) return;
  const target = within(url);
  leaving = true;
  source?.close();
  tellTabs();
  location.replace(target);
}

function step({ text, state = "running", place, estimate }) {
  const steps = id("steps");
  if (stale) steps.replaceChildren();
  stale = false;
  const last = steps.lastElementChild;
  if (text && last?.dataset.text === text) last.dataset.state = state;
  else if (text) {
    if (last?.dataset.state === "running") last.dataset.state = "done";
    const item = make("li", {}, text);
    Object.assign(item.dataset, { text, state });
    steps.append(item);
  }
  const queued = typeof place === "number" && place > 0;
  id("queue").hidden = !queued;
  if (queued) id("place").textContent = place;
  id("estimate").textContent = queued && typeof estimate === "number" ? `, ${wait(estimate)}` : "";
}

function wait(seconds) {
  const minutes = Math.ceil(seconds / 60);
  return seconds < 60 ? t("under a minute") : minutes === 1 ? t("about 1 minute") : t("about {minutes} minutes", { minutes });
}

function fail(detail, logTail = "", signedOut = false) {
  if (leaving) return;
  source?.close();
  source = undefined;
  id("progress").hidden = true;
  id("detail").textContent = detail;
  id("tail").textContent = logTail;
  id("log").hidden = !logTail;
  id("failure").hidden = false;
  id("title").textContent = t("Could not open");
  offer(signedOut);
}

function offer(wholePage) {
  anew = wholePage;
  id("again-button").textContent = t("Try again");
  id("again").classList.remove("later");
  id("again").hidden = false;
}

// An end that the events tell may be that of an earlier start; the answer to our own order comes first.
function follow() {
  if (source || leaving) return;
  source = new EventSource(events);
  source.onopen = () => (stale = true); // each connection tells all from the beginning
  source.onerror = () => source?.readyState === EventSource.CLOSED && unheard();
  const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("step", step);
  on("queued", step);
  on("ready", ({ url }) => accepted && leave(url || usual));
  on("failed", ({ detail, log_tail }) => accepted && fail(detail, log_tail));
}

// The hub refuses to tell the steps. The answer to our order still comes, unless it left its end to them.
function unheard() {
  source = undefined;
  if (accepted) return fail(t("The hub does not say how far it is."), "", true);
  step({ text: t("The hub does not say how far it is. The notebook opens here when it is ready.") });
  offer(true);
}

async function begin() {
  accepted = false;
  id("failure").hidden = true;
  id("again").hidden = true;
  id("progress").hidden = false;
  stale = true;
  id("title").textContent = id("title").dataset.title;
  const slow = setTimeout(follow, CALM);
  try {
    const { url } = await arrive();
    accepted = !url;
    url ? leave(url) : follow();
  } catch (error) {
    const known = error instanceof Refusal;
    fail(known ? error.message : t("The hub does not answer. Your work is safe."), known ? error.answer.log_tail : "", error.status === 401);
  } finally {
    clearTimeout(slow);
  }
}

// Asks until there is an answer: a full hub says when to come back, a restarted one is there again soon.
async function arrive() {
  for (let lost = 0; ; ) {
    try {
      return await ask(start);
    } catch (error) {
      const busy = error.status === 503 && error.retryAfter > 0;
      if (!busy && (error instanceof Refusal || ++lost > 4)) throw error;
      step({ text: busy ? error.message : t("The hub does not answer; trying again") });
      await new Promise((done) => setTimeout(done, 1000 * (busy ? Math.min(error.retryAfter, 60) : 2 ** lost)));
    }
  }
}

id("again").addEventListener("submit", (event) => {
  event.preventDefault();
  anew ? location.reload() : begin();
});
if (failed === undefined) begin();
