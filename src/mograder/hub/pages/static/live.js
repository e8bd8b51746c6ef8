// Parts of a page that stay true: the page is asked for again when there is news, and what changed is taken over.
import { make, onTabs, root, t } from "./ask.js";

const main = document.querySelector("main");
// ms; only while the page is looked at
const POLL = Number(main.dataset.poll ?? 30_000);
// element -> the HTML that the hub sent for it
const served = new WeakMap();
const every = (selector, within = document) => [...within.querySelectorAll(selector)];
const lives = () => every("[data-live]");
const rows = (live) => every(":scope > ul > li[data-key]", live);
const note = (element) => served.set(element, element.innerHTML);
for (const live of lives()) for (const element of [live, ...rows(live)]) note(element);
// What is added to each row, now and whenever it is new
let equip = () => {};
export function onRow(does) {
  equip = does;
  every("li[data-key]").forEach(equip);
}

// A page without such parts in it asks for those that every page has: the account's page has them, too.
const own = main.querySelector("[data-live]") !== null;
const address = own ? location.pathname + location.search : new URL("account", root);
const word = (page) => page.querySelector("meta[name=news]")?.content;
let seen = word(document);
let asking = false;
let behind = false;

export async function refresh() {
  behind = asking;
  if (asking) return;
  asking = true;
  try {
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!own) for (const form of every("form", page)) form.setAttribute("action", new URL(form.getAttribute("action"), response.url));
    for (const live of lives()) merge(live, page.querySelector(`[data-live="${live.dataset.live}"]`));
    seen = word(page);
    offline(false);
  } catch {
    // nobody answers, or it is an error or a login page: it has no such part
    offline(true);
  }
  asking = false;
  if (behind) refresh();
}

function merge(live, fresh) {
  const html = fresh.innerHTML;
  if (served.get(live) === html) return;
  const whole = !rows(live).length || !rows(fresh).length;
  let complete = true;
  keepFocus(live, () => {
    if (whole) replace(live, fresh);
    else complete = mergeRows(live, fresh);
  });
  // a row is in use: it is looked at again next time
  if (!complete) return;
  served.set(live, html);
  if (whole) for (const row of rows(live)) note(row) && equip(row);
}

function replace(live, fresh) {
  const open = every("details:not(.menu)", live).map((one) => one.open);
  live.replaceChildren(...fresh.childNodes);
  every("details:not(.menu)", live).forEach((one, index) => (one.open = open[index] ?? one.open));
}

function mergeRows(live, fresh) {
  const mine = new Map(rows(live).map((row) => [row.dataset.key, row]));
  const lead = live.querySelector(":scope > .lead");
  const freshLead = fresh.querySelector(":scope > .lead");
  lead?.remove();
  if (freshLead) live.prepend(freshLead);
  let complete = true;
  const order = rows(fresh).map((row) => {
    const old = mine.get(row.dataset.key);
    const html = row.innerHTML;
    mine.delete(row.dataset.key);
    if (old && served.get(old) !== html) {
      if (old.querySelector('[aria-busy="true"], details[open]')) complete = false;
      else {
        old.querySelector(".row").replaceWith(row.querySelector(".row"));
        served.set(old, html) && equip(old);
      }
    }
    if (!old) served.set(row, html) && equip(row);
    return old ?? row;
  });
  for (const gone of mine.values()) gone.remove();
  const ul = live.querySelector("ul");
  order.forEach((row, index) => ul.children[index] === row || ul.insertBefore(row, ul.children[index]));
  return complete;
}

// The keyboard stays where it was: on the same control, or on the first one if that is gone.
function keepFocus(live, change) {
  const { activeElement: mine } = document;
  const inside = live.contains(mine);
  change();
  if (!inside || live.contains(mine)) return;
  const same = every("[aria-label]", live).find((other) => other.ariaLabel === mine.ariaLabel);
  (same ?? live.querySelector("a, button, summary") ?? main).focus();
}

const banner = make(
  "div",
  { className: "offline", hidden: true, role: "alert" },
  make("p", {}, t("The hub does not answer, or you are signed out. Your saved work is safe.")),
  make("button", { type: "button", onclick: () => location.reload() }, t("Try again")),
);
document.body.append(banner);
export const offline = (yes) => (banner.hidden = !yes);

// The hub tells when there is news. A browser has few lines to one host: only a page that is looked at holds one.
let source;
function listen() {
  source?.close();
  source = undefined;
  if (document.hidden || !seen) return;
  const stream = new URL("events", root);
  stream.searchParams.set("seen", seen);
  source = new EventSource(stream);
  source.onmessage = ({ data }) => data === seen || refresh();
  source.onerror = ({ target }) => target.readyState === EventSource.CLOSED && refresh();
}

addEventListener("offline", () => offline(true));
addEventListener("online", refresh);
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", ({ persisted }) => persisted && listen());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
  listen();
});
onTabs(refresh);
setInterval(() => {
  if (document.hidden) return;
  refresh();
  if (source?.readyState === EventSource.CLOSED) listen();
}, POLL);
listen();
