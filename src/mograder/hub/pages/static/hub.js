// The dashboard, the history and the files: actions without leaving the page.
import { Refusal, ask, make, root, t, tellTabs } from "./ask.js";
import { offline, onRow, refresh } from "./live.js";

const verdicts = JSON.parse(document.getElementById("words").dataset.verdicts);
// addresses that were asked and have not answered
const busy = new Set();
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
// What a check says, with the code in it, which it writes `so`, set apart
const coded = (text) => make("bdi", {}, ...text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part)));
const list = (className, texts, shown = plain) => make("ul", { className }, ...texts.map((text) => make("li", {}, shown(text))));
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
  const row = make("li", {}, make("b", { className: "verdict" }, verdicts[status] ?? status), " ", make("span", { className: "label" }, coded(label)));
  if (details?.length) row.append(list("", details, coded));
  row.dataset.status = status;
  return row;
}

// Files may be dropped on the row of a notebook and on a form that uploads; on its field the browser sees to it. Beside
// them a drop does nothing, instead of leaving the page.
const zone = (event) => event.target.closest?.("li[data-key]:has(.sheet), #upload");
function mark(place) {
  for (const other of every("[data-drop]")) delete other.dataset.drop;
  if (place) place.dataset.drop = "";
}
for (const name of ["dragenter", "dragover", "drop"]) {
  addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    if (event.target.type === "file") return mark();
    event.preventDefault();
    const place = zone(event);
    event.dataTransfer.dropEffect = place ? "copy" : "none";
    mark(name === "drop" ? null : place);
    if (name === "drop" && place) dropped(place, event.dataTransfer.files);
  });
}
addEventListener("dragleave", (event) => event.relatedTarget || mark());

function dropped(place, files) {
  const form = place.querySelector("form");
  if (!form) return upload(place, place.querySelector("summary"), files);
  const field = form.querySelector("input[type=file]");
  if (!field.multiple && files.length > 1) return say(t("Drop one file here: it becomes the notebook."));
  const body = new FormData();
  for (const file of files) body.append(field.name, file);
  if (files.length) act(form.action, form.querySelector("button"), body);
}

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

document.addEventListener("click", (event) => {
  const url = event.target.closest("a[href]")?.href;
  const [action, , item] = url ? parts(url) : [];
  if (action !== "export") return;
  say(t("{item} is being downloaded. Hand that file in where your course wants it: the hub can not see whether you did.", { item }));
  setTimeout(refresh, 1500); // a download has no event of its own
});
onRow(equip);

// What makes the first click quick comes last of all.
if (document.querySelector('[data-live="assignments"]')) addEventListener("load", () => import("./ahead.js"));
