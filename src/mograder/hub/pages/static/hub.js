// The dashboard and the history page: actions without leaving the page, and rows that stay true.
import { Refusal, ask, make, onTabs, root, tellTabs } from "./ask.js";

const POLL = 30_000; // ms; only while the page is looked at
const verdicts = JSON.parse(document.getElementById("words").dataset.verdicts);
const busy = new Set(); // addresses that were asked and have not answered
const served = new WeakMap(); // element -> the HTML that the hub sent for it

// --- words ---------------------------------------------------------------------------------------------------
const DONE = {
  "download-release": (item) => `${item} is here. Edit opens it.`,
  reset: (item) => `${item} is as it was published. Your earlier work is in its history.`,
  restore: () => "The version is restored. What it replaced is kept here too.",
  upload: (item) => `${item} is uploaded. The notebook before is in its history.`,
  "stop-edit": (item) => `${item} is stopped. Your work is saved.`,
  "stop-run": (item) => `${item} is stopped.`,
};
const steps = (url) => new URL(url).pathname.slice(root.pathname.length).split("/").map(decodeURIComponent);
const toast = make("p", { hidden: true });
document.body.append(make("div", { className: "toast", role: "status" }, toast));
let fading;

function say(text) {
  toast.hidden = false;
  toast.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => (toast.hidden = true), 8000);
}

// --- actions -------------------------------------------------------------------------------------------------
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (form.method !== "post" || !(form.id === "act" || form.enctype.startsWith("multipart"))) return;
  event.preventDefault();
  const url = form.id === "act" ? submitter.formAction : form.action;
  const body = form.id === "act" ? undefined : new FormData(form);
  const sure = steps(url)[0] === "reset" ? confirmed(url) : true;
  Promise.resolve(sure).then((yes) => yes && act(url, submitter, body));
});

async function act(url, button, body) {
  if (busy.has(url)) return;
  const [action, ...names] = steps(url);
  const item = names[1];
  const row = rowOf(button, item);
  busy.add(url);
  button.setAttribute("aria-busy", "true");
  say(action === "validate" ? `Running ${item}…` : "One moment…");
  try {
    const answer = await ask(url, body);
    closeMenus();
    if (action === "validate") results(row, item, names[0], answer);
    else {
      panel(row)?.remove();
      say(DONE[action](item));
    }
    tellTabs();
  } catch (error) {
    refused(row, item, error, () => act(url, button, body));
  } finally {
    busy.delete(url);
    button.removeAttribute("aria-busy");
    refresh();
  }
}

const rowOf = (element, item) =>
  element.closest("li[data-key]") ?? document.querySelector(`li[data-key="${CSS.escape(item)}"]`) ?? undefined;

function confirmed(url) {
  const dialog = document.getElementById("sure");
  document.getElementById("sure-item").textContent = steps(url)[2];
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

// --- what an action said -------------------------------------------------------------------------------------
const panel = (row) => row?.querySelector(":scope > .results");
const list = (className, texts) => make("ul", { className }, ...texts.map((text) => make("li", {}, make("bdi", {}, text))));
const words = (value) => (typeof value === "string" ? value : (value?.message ?? value?.error ?? JSON.stringify(value)));
const several = (value) => (Array.isArray(value) ? value : value ? [value] : []).map(words);

function show(row, heading, ...content) {
  panel(row)?.remove();
  const close = make("button", { className: "quiet", type: "button", onclick: () => box.remove() }, "Close");
  const title = make("h4", { tabIndex: -1 }, heading);
  const box = make("section", { className: "results", ariaLabel: heading }, make("header", {}, title, close), ...content);
  (row ?? document.querySelector("[data-live]")).append(box);
  say(heading);
}

function refused(row, item, error, again) {
  const known = error instanceof Refusal;
  if (!known) offline(true);
  const detail = known ? error.message : "The hub does not answer. Nothing was changed.";
  const findings = known ? several(error.answer.findings) : [];
  const retry = make("button", { type: "button", onclick: again }, "Try again");
  show(row, `${item}: that did not work`, make("p", {}, make("bdi", {}, detail)), list("findings", findings), make("p", { className: "ways" }, retry));
}

function warning(heading, texts) {
  return texts.length ? [make("div", { className: "warning" }, make("h5", {}, heading), list("", texts))] : [];
}

function results(row, item, user, answer) {
  const checks = answer.checks ?? [];
  const passed = checks.filter((check) => check.status === "success").length;
  const heading = checks.length ? `${item}: ${passed} of ${checks.length} checks pass` : `${item} has no checks`;
  const link = make("a", { href: new URL(["validate-report", user, item].map(encodeURIComponent).join("/"), root), target: "_blank", rel: "noopener" }, "The notebook with its outputs");
  show(
    row,
    heading,
    ...warning("The notebook did not run to its end", several(answer.export_error)),
    ...warning("Cells that raised an error", several(answer.cell_errors)),
    ...warning("Changed cells", several(answer.integrity_warnings)),
    make("ul", { className: "checks" }, ...checks.map(check)),
    ...(answer.html_available ? [make("p", { className: "ways" }, link)] : []),
  );
}

function check({ label, status, details }) {
  const verdict = make("b", { className: "verdict" }, verdicts[status] ?? status);
  const row = make("li", {}, verdict, " ", make("span", { className: "label" }, make("bdi", {}, label)), list("", several(details)));
  row.dataset.status = status;
  return row;
}

// --- links of a row's menu that a script does on the spot --------------------------------------------------------
const picker = make("input", { type: "file", accept: ".py", hidden: true });
document.body.append(picker);
const instead = (link) => link.href.replace(link.hash, "").replace("/history/", `/${link.hash.slice(1)}/`);

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  closeMenus(event.target.closest(".menu"));
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.hash === "#upload") {
    event.preventDefault();
    picker.value = "";
    picker.onchange = () => upload(instead(link), link, picker.files);
    picker.click();
  } else if (link.hash === "#reset") {
    event.preventDefault();
    if (await confirmed(instead(link))) act(instead(link), link);
  } else if (steps(link.href)[0] === "export") {
    setTimeout(refresh, 1500); // the download has no event of its own
  }
});

function upload(url, button, files) {
  if (files.length !== 1) return say("One notebook at a time, please.");
  const body = new FormData();
  body.set("file", files[0]);
  return act(url, button, body);
}

// A file may be dropped on its row; beside the rows a drop does nothing, instead of leaving the page.
const target = (event) => event.target.closest?.("li[data-key]:has(a[href$='#upload'])");
const mark = (row) => {
  for (const other of document.querySelectorAll("[data-drop]")) delete other.dataset.drop;
  if (row) row.dataset.drop = "";
};
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = target(event) ? "copy" : "none";
    mark(target(event));
  });
}
addEventListener("dragleave", (event) => !event.relatedTarget && mark());
addEventListener("drop", (event) => {
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  mark();
  const link = target(event)?.querySelector("a[href$='#upload']");
  if (link) upload(instead(link), link, event.dataTransfer.files);
});

// --- menus -----------------------------------------------------------------------------------------------------
function closeMenus(except) {
  for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== except) menu.open = false;
}
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.(".menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("focusin", (event) => closeMenus(event.target.closest(".menu")));

// --- rows that stay true -----------------------------------------------------------------------------------------
const parts = () => document.querySelectorAll("[data-live]");
const rows = (part) => [...part.querySelectorAll(":scope > ul > li[data-key]")];
const inUse = (row) => row.querySelector('[aria-busy="true"], details[open]');
for (const part of parts()) for (const element of [part, ...rows(part)]) served.set(element, element.innerHTML);
let asking = false;
let behind = false;

async function refresh() {
  behind = asking;
  if (asking) return;
  asking = true;
  try {
    const response = await fetch(location.href.replace(location.hash, ""), { headers: { Accept: "text/html" } });
    if (!response.ok) throw new TypeError(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of parts()) merge(part, page.querySelector(`[data-live="${part.dataset.live}"]`));
    offline(false);
  } catch {
    offline(true);
  }
  asking = false;
  if (behind) refresh();
}

function merge(part, fresh) {
  if (!fresh || served.get(part) === fresh.innerHTML) return;
  const html = fresh.innerHTML;
  const old = new Map(rows(part).map((row) => [row.dataset.key, row]));
  const late = old.size && rows(fresh).length ? mergeRows(part, fresh, old) : part.replaceChildren(...fresh.childNodes);
  if (!late) served.set(part, html);
}

// Returns whether a row was left for later because somebody is using it.
function mergeRows(part, fresh, old) {
  part.querySelector(":scope > .lead")?.remove();
  const lead = fresh.querySelector(":scope > .lead");
  if (lead) part.prepend(lead);
  let late = false;
  let place = part.querySelector("ul").firstElementChild;
  for (const row of rows(fresh)) {
    const html = row.innerHTML;
    const mine = old.get(row.dataset.key);
    old.delete(row.dataset.key);
    if (!mine) place ? place.before(row) : part.querySelector("ul").append(row);
    else if (served.get(mine) !== html) inUse(mine) ? (late = true) : swap(mine, row);
    const now = mine ?? row;
    if (now === place) place = place.nextElementSibling;
    else if (mine) place ? place.before(mine) : part.querySelector("ul").append(mine);
    if (!mine || !late) served.set(now, html);
  }
  for (const gone of old.values()) gone.remove();
  return late;
}

function swap(mine, fresh) {
  const label = mine.contains(document.activeElement) && document.activeElement.ariaLabel;
  mine.querySelector(".row").replaceWith(fresh.querySelector(".row"));
  if (label) [...mine.querySelectorAll("[aria-label]")].find((element) => element.ariaLabel === label)?.focus();
}

// --- offline -----------------------------------------------------------------------------------------------------
const banner = make(
  "div",
  { className: "offline", hidden: true, role: "alert" },
  make("p", {}, "The hub does not answer, or you are signed out. Your saved work is safe."),
  make("button", { type: "button", onclick: () => location.reload() }, "Try again"),
);
document.body.append(banner);
function offline(yes) {
  if (banner.hidden === yes) banner.hidden = !yes;
}

addEventListener("offline", () => offline(true));
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
onTabs(refresh);
setInterval(() => document.hidden || refresh(), POLL);
