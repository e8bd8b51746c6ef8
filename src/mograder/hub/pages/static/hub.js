// The dashboard and the history page: actions without leaving the page, and rows that stay true.
import { Refusal, ask, make, onTabs, root, t, tellTabs } from "./ask.js";

// ms; only while the page is looked at
const POLL = Number(document.querySelector("main").dataset.poll ?? 30_000);
const verdicts = JSON.parse(document.getElementById("words").dataset.verdicts);
// addresses that were asked and have not answered
const busy = new Set();
// element -> the HTML that the hub sent for it
const served = new WeakMap();
const every = (selector, within = document) => [...within.querySelectorAll(selector)];
// "reset/alice/A1" of an address, as ["reset", "alice", "A1"]
const parts = (url) => new URL(url).pathname.slice(root.pathname.length).split("/").map(decodeURIComponent);
const address = (...names) => new URL(names.map(encodeURIComponent).join("/"), root).href;

// What is said: in a corner for the eye, at once for a screen reader
const DONE = {
  "download-release": (item) => t("{item} is ready to be edited.", { item }),
  reset: (item) => t("{item} is as it was published. Your earlier work is in its history.", { item }),
  restore: () => t("The older version is back. What it replaced is kept, too."),
  "delete-file": () => t("The file is deleted. It is kept under the earlier files."),
  files: (item, { files }) =>
    files.length === 1 ? t("{file} uploaded to {item}.", { file: files[0], item }) : t("{number} files uploaded to {item}.", { number: files.length, item }),
  upload: (item) => t("{item} is uploaded. The notebook before is in its history.", { item }),
  "stop-edit": (item) => t("{item} is stopped. Your work is saved.", { item }),
  "stop-run": (item) => t("{item} is stopped.", { item }),
};
const toast = make("p", { hidden: true });
document.body.append(make("div", { className: "toast", role: "status" }, toast));
let fading;

function say(text, seen = false, ...ways) {
  toast.hidden = false;
  toast.className = seen ? "vh" : "";
  toast.replaceChildren(text, ...ways);
  clearTimeout(fading);
  fading = setTimeout(() => (toast.hidden = true), ways.length ? 20_000 : 8000);
}

// What was replaced is a version: restoring it is the way back.
function undo({ archive }, user, item) {
  if (!archive) return [];
  const body = new FormData();
  body.set("version", archive);
  const url = address("restore", user, item);
  return [make("button", { type: "button", onclick: ({ target }) => act(url, target, body) }, t("Undo"))];
}

// Actions: the buttons of the page's forms
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (form.method === "dialog" || !submitter) return;
  const url = new URL(submitter.hasAttribute("formaction") ? submitter.formAction : form.action);
  if (form.id !== "act" && form.enctype !== "multipart/form-data") return;
  event.preventDefault();
  const body = new FormData(form, submitter);
  (parts(url)[0] === "reset" ? reset : act)(url.href, submitter, body);
});

// Upload and Reset are forms of the history page; here they are done on the spot.
const picker = make("input", { type: "file", multiple: true, hidden: true });
document.body.append(picker);

function equip(row) {
  const sheet = row.querySelector(".sheet");
  if (!sheet) return;
  const add = (label, className, onclick) => sheet.append(make("button", { type: "button", className, onclick }, label));
  add(t("Upload…"), "", ({ target }) => {
    picker.value = "";
    picker.onchange = () => upload(row, target, picker.files);
    picker.click();
  });
  if ("reset" in sheet.dataset) add(t("Reset…"), "danger", ({ target }) => reset(beside(row, "reset"), target));
}

// The address of an action on the notebook of a row
const beside = (row, action) => address(action, ...parts(row.querySelector(".sheet a:last-of-type").href).slice(1));
const reset = async (url, button, body) => (await confirmed(url)) && act(url, button, body);

// One Python file is the notebook, whatever it is called; all others go beside it.
function upload(row, button, files) {
  const body = new FormData();
  const alone = files.length === 1 && files[0].name.endsWith(".py");
  for (const file of files) body.append(alone ? "file" : "files", file);
  if (files.length) act(beside(row, alone ? "upload" : "files"), button, body);
}

function confirmed(url) {
  const dialog = document.getElementById("sure");
  document.getElementById("sure-item").textContent = parts(url)[2];
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

async function act(url, button, body) {
  if (busy.has(url)) return;
  const menu = button.closest(".menu");
  if (menu) button = closed(menu);
  const [action, user, item] = parts(url);
  const place = button.closest("li[data-key]") ?? document.querySelector("main");
  busy.add(url);
  button.ariaBusy = "true";
  say(action === "validate" ? t("Running {item}…", { item }) : t("One moment…"));
  const run = action === "validate" ? follow(place, item, user) : null;
  try {
    const answer = await ask(url, body);
    if (action === "validate") results(place, item, user, answer);
    else {
      place.querySelector(":scope > .results")?.remove();
      say(DONE[action](item, answer), false, ...undo(answer, user, item));
    }
    tellTabs();
  } catch (error) {
    refused(place, item, error, () => act(url, button, body));
  } finally {
    run?.close();
    busy.delete(url);
    button.ariaBusy = null;
    refresh();
  }
}

// What an action found, below its row
const plain = (text) => make("bdi", {}, text);
const list = (className, texts) => make("ul", { className }, ...texts.map((text) => make("li", {}, plain(text))));
const outcome = (passed, total) => (total === 1 ? t("{passed} of 1 check passes", { passed }) : t("{passed} of {total} checks pass", { passed, total }));
const link = (url, text) => make("a", { href: url, target: "_blank", rel: "noopener" }, text);

function show(place, heading, ...content) {
  place.querySelector(":scope > .results")?.remove();
  const close = make("button", { className: "quiet", type: "button", onclick: () => box.remove() }, t("Close"));
  const box = make("section", { className: "results", ariaLabel: heading }, make("header", {}, make("h4", {}, plain(heading)), close), ...content);
  place.append(box);
  box.scrollIntoView({ block: "nearest" });
  say(heading, true);
}

// The checks of a run as they come, until its answer takes their place. Whoever follows ends it.
function follow(place, item, user) {
  const found = make("ul", { className: "checks", ariaLive: "polite" });
  const source = new EventSource(address("validate-events", user, item));
  source.addEventListener("check", ({ data }) => {
    if (!found.childElementCount) show(place, t("{item}: running…", { item }), found);
    found.append(verdict(JSON.parse(data)));
  });
  return source;
}

function refused(place, item, error, again) {
  const known = error instanceof Refusal;
  if (!known) offline(true);
  const sentence = make("p", { role: "alert" }, plain(known ? error.message : t("The hub does not answer. Nothing was changed.")));
  const retry = make("button", { type: "button", onclick: again }, t("Try again"));
  const findings = error.answer?.unsafe ?? [];
  show(place, t("{item}: that did not work", { item }), sentence, ...(findings.length ? [list("findings", findings)] : []), make("p", { className: "ways" }, retry));
}

function results(place, item, user, answer) {
  const checks = answer.checks ?? [];
  const passed = checks.filter((check) => check.status === "success").length;
  const warning = (heading, texts) =>
    texts?.length ? [make("div", { className: "warning" }, make("h5", {}, heading), list("", texts))] : [];
  const report = address("validate-report", user, item);
  show(
    place,
    `${item}: ${checks.length ? outcome(passed, checks.length) : t("this notebook has no checks")}`,
    ...warning(t("The notebook did not run to its end"), answer.export_error && [answer.export_error]),
    ...warning(t("Cells that raised an error"), answer.cell_errors?.map(({ cell, message }) => `${cell}: ${message}`)),
    ...warning(t("Changed cells"), answer.integrity_warnings),
    make("ul", { className: "checks" }, ...checks.map(verdict)),
    ...(answer.html_available ? [make("p", { className: "ways" }, link(report, t("The notebook with its outputs")))] : []),
  );
}

function verdict({ label, status, details }) {
  const row = make("li", {}, make("b", { className: "verdict" }, verdicts[status] ?? status), " ", make("span", { className: "label" }, plain(label)));
  if (details?.length) row.append(list("", details));
  row.dataset.status = status;
  return row;
}

// A notebook may be dropped on its row; beside the rows a drop does nothing, instead of leaving the page.
const droppable = (event) => event.target.closest?.("li[data-key]:has(.sheet)");
function mark(row) {
  for (const other of every("[data-drop]")) delete other.dataset.drop;
  if (row) row.dataset.drop = "";
}
for (const name of ["dragenter", "dragover", "drop"]) {
  addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const row = droppable(event);
    event.dataTransfer.dropEffect = row ? "copy" : "none";
    mark(name === "drop" ? null : row);
    if (name === "drop" && row) upload(row, row.querySelector("summary"), event.dataTransfer.files);
  });
}
addEventListener("dragleave", (event) => event.relatedTarget || mark());

// Menus: one at a time, closed by Escape, by leaving, and by a click elsewhere
function closeMenus(except) {
  for (const menu of every(".menu[open]")) if (menu !== except) menu.open = false;
}
for (const name of ["click", "focusin"]) document.addEventListener(name, (event) => closeMenus(event.target.closest(".menu")));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.(".menu[open]");
  if (menu) closed(menu);
});
function closed(menu) {
  const summary = menu.querySelector("summary");
  menu.open = false;
  summary.focus();
  return summary;
}

// Rows that stay true: the page is asked for again, and what changed is taken over
const lives = () => every("[data-live]");
const rows = (live) => every(":scope > ul > li[data-key]", live);
for (const live of lives()) for (const element of [live, ...rows(live)]) served.set(element, element.innerHTML);
every("li[data-key]").forEach(equip);
let asking = false;
let behind = false;

async function refresh() {
  behind = asking;
  if (asking) return;
  asking = true;
  try {
    const response = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const live of lives()) merge(live, page.querySelector(`[data-live="${live.dataset.live}"]`));
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
    if (whole) live.replaceChildren(...fresh.childNodes);
    else complete = mergeRows(live, fresh);
  });
  // a row is in use: it is looked at again next time
  if (!complete) return;
  served.set(live, html);
  if (whole) for (const row of rows(live)) served.set(row, row.innerHTML) && equip(row);
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
  (same ?? live.querySelector("a, button, summary") ?? document.querySelector("main")).focus();
}

const banner = make(
  "div",
  { className: "offline", hidden: true, role: "alert" },
  make("p", {}, t("The hub does not answer, or you are signed out. Your saved work is safe.")),
  make("button", { type: "button", onclick: () => location.reload() }, t("Try again")),
);
document.body.append(banner);
const offline = (yes) => (banner.hidden = !yes);

addEventListener("offline", () => offline(true));
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
document.addEventListener("click", (event) => {
  const url = event.target.closest("a[href]")?.href;
  // a download has no event of its own
  if (url && parts(url)[0] === "export") setTimeout(refresh, 1500);
});
onTabs(refresh);
setInterval(() => document.hidden || refresh(), POLL);

// What makes the first click quick comes last of all.
if (document.querySelector('[data-live="assignments"]')) addEventListener("load", () => import("./ahead.js"));
