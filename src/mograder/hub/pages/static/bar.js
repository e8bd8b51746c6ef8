// The bar over the editor. It runs in the notebook's page and has the rights of that page, no more: it asks below the
// session's own prefix alone. Everything is in a shadow tree; the notebook makes room and is never covered.
(() => {
  const { kind, base, css, root, course, user, item, word, language, texts, accentLight, accentDark } = document.currentScript.dataset;
  const known = JSON.parse(texts);
  const t = (text, values = {}) => (known[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const address = (path) => new URL(root + path, new URL(base, location.origin)).href;
  const encoded = (...names) => names.map(encodeURIComponent).join("/");
  const VERDICTS = { success: t("PASS"), partial: t("PARTIAL"), danger: t("FAIL"), warn: t("WAITING") };

  // A small DOM: text is always text.
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("aria-") || name.startsWith("data-")) element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  const plain = (text) => make("bdi", {}, text);
  // What a check says, with the code in it, which it writes `so`, set apart
  const coded = (text) => make("bdi", {}, ...text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part)));
  const list = (className, texts, shown = plain) => make("ul", { className }, ...texts.map((text) => make("li", {}, shown(text))));
  const link = (label, path, more = {}) => make("a", { href: address(path), ...more }, label);
  const away = { target: "_blank", rel: "noopener" };
  const button = (label, onclick, more = {}) => make("button", { type: "button", onclick, ...more }, label);

  const host = make("div", { id: "mograder-bar", lang: language });
  const shadow = host.attachShadow({ mode: "open" });
  const home = make("a", { href: address(""), className: "home", title: t("Back to the course"), "aria-label": course ? t("Back to {course}", { course }) : t("Back to the course") }, plain(course || t("Course")));
  const state = make("span", { className: "state", role: "status" }, t("Connecting…"));
  const result = make("span", { className: "result" });
  const check = button(t("Validate"), validate, { className: "first" });
  const ways = make(
    "span",
    { className: "ways" },
    link(t("Export"), `export/${encoded(user, item)}`, { download: "" }),
    link(t("History"), `history/${encoded(user, item)}`, away),
    button(t("Help"), help),
  );
  const more = button(t("More"), () => toggle(!ways.classList.contains("open")), { className: "more", "aria-expanded": "false" });
  const row = make("div", { className: "row" }, home, make("b", { className: "title", title: item }, plain(item)), state, result, check, ways, more);
  const alert = make("div", { className: "alert", role: "alert", hidden: true });
  const notes = make("ul", { className: "notes" });
  const said = make("div", { role: "status", "aria-label": t("Messages") }, notes);
  const lecture = kind === "run"; // it has no bar but for messages
  const bar = make("header", { className: "bar", "aria-label": "mograder hub" }, ...(lecture ? [] : [row, alert]), said);
  const panel = make("aside", { className: "panel", hidden: true, tabIndex: -1, "aria-live": "polite" });
  const style = make("link", { rel: "stylesheet", href: css });
  shadow.append(style, bar, panel);
  if (accentLight) shadow.append(make("style", {}, `:host, .panel {${accentLight}} :host([data-theme="dark"]), :host([data-theme="dark"]) .panel {${accentDark}}`));

  function toggle(open) {
    ways.classList.toggle("open", open);
    more.setAttribute("aria-expanded", String(open));
  }
  ways.addEventListener("click", () => toggle(false));
  shadow.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) close();
    else if (event.key === "Escape") toggle(false);
    event.stopPropagation(); // keys pressed in the bar are not for the notebook
  });

  // Room: the notebook's root is as large as what the bar and the panel leave.
  const room = make("style");
  const narrow = matchMedia("(max-width: 45rem)");
  const hidden = () => document.fullscreenElement !== null;
  function makeRoom() {
    const away = hidden() || (lecture && !notes.childElementCount);
    host.hidden = away;
    host.style.display = away ? "none" : "";
    if (lecture) {
      // marimo's page has its room from its root: it gives up what the messages take
      const place = `position:fixed;inset:${bar.offsetHeight}px 0 0!important;width:auto!important;height:auto!important;min-height:0!important`;
      room.textContent = away ? "" : `@media screen{#root{${place}}}`;
      return;
    }
    const top = bar.offsetHeight;
    host.style.setProperty("--mograder-bar", `${top}px`);
    const side = panel.hidden ? 0 : panel.offsetWidth;
    const foot = panel.hidden ? 0 : panel.offsetHeight;
    const inset = narrow.matches ? `${top}px 0 ${foot}px 0` : `${top}px ${side}px 0 0`;
    const whole = "#root{inset:0!important}";
    room.textContent = hidden() ? whole : `@media screen{#root{inset:${inset}!important}} @media (display-mode:fullscreen){${whole}}`;
  }
  new ResizeObserver(makeRoom).observe(bar);
  new ResizeObserver(makeRoom).observe(panel);
  narrow.addEventListener("change", makeRoom);
  document.addEventListener("fullscreenchange", makeRoom);
  style.addEventListener("load", makeRoom);

  // The side panel
  function show(heading, ...content) {
    const closing = button(t("Close"), close);
    panel.replaceChildren(make("header", {}, make("h2", {}, plain(heading)), closing), ...content);
    panel.setAttribute("aria-label", heading);
    panel.hidden = false;
    makeRoom();
  }
  function close() {
    panel.hidden = true;
    makeRoom();
    check.focus();
  }
  const key = (keys, does) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, does)];
  function help() {
    show(
      t("Help"),
      make("p", {}, t("Your notebook is saved by itself, a second after you stop typing. Every few seconds of work a version is kept: History brings any of them back.")),
      make("h3", {}, t("Keys")),
      make("dl", {}, ...key("Ctrl Enter", t("run the cell")), ...key("Shift Enter", t("run it and go on")), ...key("Ctrl S", t("save")), ...key("Ctrl K", t("all commands")), ...key("Esc Tab", t("leave the cell"))),
      make("h3", {}, t("Buttons")),
      make("dl", {}, make("dt", {}, t("Validate")), make("dd", {}, t("runs a copy of the saved notebook from top to bottom and says what its checks found")), make("dt", {}, t("Export")), make("dd", {}, t("downloads the file that you hand in"))),
    );
    panel.focus();
  }

  // Requests: below the prefix, with the word that opens no more than that
  async function ask(what) {
    const response = await fetch(`${base}_hub/${what}`, { method: "POST", headers: { Accept: "application/json", "X-CSRF-Token": word } });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(typeof answer.detail === "string" ? answer.detail : t("The hub refused this ({status}).", { status: response.status }));
    return answer;
  }

  async function validate() {
    if (check.ariaBusy) return;
    check.ariaBusy = "true";
    const found = make("ul", { className: "checks", "aria-live": "polite" });
    show(t("Checks"), make("p", { className: "soft" }, t("Your notebook is being run from top to bottom…")), found);
    const run = new EventSource(`${base}_hub/checks`); // each check as it comes, until the answer takes their place
    run.addEventListener("check", ({ data }) => found.append(verdict(JSON.parse(data))));
    try {
      results(await ask("validate"));
    } catch (error) {
      const sentence = error instanceof TypeError ? t("The hub does not answer. Your work is safe.") : error.message;
      show(t("That did not work"), make("p", { role: "alert" }, plain(sentence)), button(t("Try again"), validate, { className: "first" }));
    } finally {
      run.close();
      check.ariaBusy = null;
    }
  }

  function results({ checks, cell_errors, export_error, integrity_warnings, html_available }) {
    const passed = checks.filter((one) => one.status === "success").length;
    const warning = (heading, texts) => (texts?.length ? [make("div", { className: "warning" }, make("b", {}, heading), list("", texts))] : []);
    show(
      checks.length === 1 ? t("{passed} of 1 check passes", { passed }) : checks.length ? t("{passed} of {total} checks pass", { passed, total: checks.length }) : t("This notebook has no checks"),
      ...warning(t("The notebook did not run to its end"), export_error && [export_error]),
      ...warning(t("Cells that raised an error"), cell_errors?.map(({ cell, message }) => `${cell}: ${message}`)),
      ...warning(t("Changed cells"), integrity_warnings),
      make("ul", { className: "checks" }, ...checks.map(verdict)),
      ...(html_available ? [link(t("The notebook with its outputs"), `validate-report/${encoded(user, item)}`, away)] : []),
    );
    panel.focus();
  }

  function verdict({ label, status, details }) {
    return make("li", { "data-status": status }, make("b", { className: "verdict" }, VERDICTS[status] ?? status), " ", coded(label), details?.length ? list("", [details].flat(), coded) : null);
  }

  // How the editor stands: told by the hub, while somebody looks
  let source;
  let silent; // until the hub is taken for gone
  let began = false; // the notebook's own line was open once
  let apart; // until a notebook without a line is taken for ended
  function listen() {
    source?.close();
    source = undefined;
    clearTimeout(silent);
    if (document.hidden) return;
    source = new EventSource(`${base}_hub/events`);
    unheard(8000);
    source.onmessage = ({ data }) => {
      clearTimeout(silent);
      standing(JSON.parse(data));
    };
    source.onerror = () => {
      unheard(3000);
      if (source.readyState === EventSource.CLOSED) refused();
    };
  }

  function unheard(patience) {
    clearTimeout(silent);
    silent = setTimeout(() => tell("ended", t("Not connected"), t("The hub does not answer. What was saved is safe; this page connects again by itself.")), patience);
  }

  // A stream does not say why it is refused
  async function refused() {
    const enough = new AbortController();
    const status = await fetch(`${base}_hub/events`, { signal: enough.signal }).then((answer) => answer.status, () => 0);
    enough.abort();
    if (status !== 401 && status !== 403) return setTimeout(listen, 5000);
    for (const timer of [silent, apart, giveUp]) clearTimeout(timer);
    tell("ended", t("Signed out"), t("You are signed out, or may not be here any more. What was saved is safe."), button(t("Sign in again"), () => location.reload()));
  }

  function tell(is, words, sentence, action, calm = false) {
    state.dataset.is = is;
    state.setAttribute("aria-live", is === "ended" ? "polite" : "off"); // that it is saved, each second, is no news
    state.textContent = words;
    state.title = words;
    const same = alert.dataset.sentence === (sentence ?? "");
    if (same) return;
    alert.dataset.sentence = sentence ?? "";
    alert.hidden = !sentence;
    alert.className = calm ? "alert calm" : "alert";
    alert.replaceChildren(...(sentence ? [make("span", {}, plain(sentence)), ...(action ? [action] : [])] : []));
    makeRoom();
  }

  const again = () => button(t("Start again"), start);
  async function start() {
    await ask("again").catch(() => {}); // at worst the page says once more why it stopped, with the same button
    location.replace(address(`edit/${encoded(item)}`));
  }
  const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

  // What was typed is saved by marimo a second after the last key. Until the hub has seen that, it is not called saved.
  const PAUSE = 1000;
  const PATIENCE = 10_000; // a change that was taken back is not saved, and need not be: the hub is asked
  let typed = 0; // when, while that is not saved
  let told = {}; // how the editor stood last
  let giveUp;
  function type({ target }) {
    if (!target.closest?.(".cm-content")) return;
    typed = Date.now();
    clearTimeout(giveUp);
    giveUp = setTimeout(() => {
      if (!typed) return;
      typed = 0;
      listen();
    }, PATIENCE);
    if (state.dataset.is === "saved") saying("saving");
  }
  const KEYS = new Set(["Enter", "Backspace", "Delete", "Tab"]); // the editor's own: they are no input to the browser
  for (const name of ["input", "paste", "cut", "drop"]) document.addEventListener(name, type, true);
  document.addEventListener("keydown", (event) => KEYS.has(event.key) && type(event), true);

  function saying(is) {
    const time = told.saved ? t("Saved {time}", { time: clock(told.saved) }) : t("Saved");
    const words = { saving: t("Saving…"), saved: time }[is];
    state.dataset.is = is;
    state.textContent = state.title = words;
    return words;
  }

  function judge({ checks }) {
    if (!checks) return result.replaceChildren();
    const { passed, total, current } = checks;
    const now = total === 1 ? t("{passed} of 1 check passes", { passed }) : t("{passed} of {total} checks pass", { passed, total });
    result.textContent = current ? now : t("{passed} of {total} before your last change", { passed, total });
    result.title = result.textContent;
  }

  function standing(news) {
    const { running, why, connected, saved, saving, idle_seconds_left: left, packages_gone: gone, full, visit } = news;
    hear(news.messages, visit);
    if (lecture) return;
    if (saved !== told.saved && Date.now() - typed > PAUSE) typed = 0;
    told = news;
    judge(news);
    began ||= connected;
    const is = saving === "begun" || typed ? "saving" : "saved";
    const words = saying(is);
    const kernelGone = began && running && !connected;
    if (!kernelGone) {
      clearTimeout(apart);
      apart = undefined;
    }
    if (!running) {
      const reason = why || t("It is not running any more.");
      return tell("ended", t("Stopped"), t("The notebook has stopped. {reason} Your saved work is safe.", { reason }), again());
    }
    if (kernelGone) {
      apart ??= setTimeout(() => tell("ended", t("Not connected"), t("The notebook's kernel has ended or lost this page. Your saved work is safe."), again()), 2500);
      return;
    }
    if (left !== null) {
      const minutes = Math.max(1, Math.round(left / 60));
      const soon = t("Nobody is at work here, so this notebook is stopped in about a minute. It stays saved.");
      const later = t("Nobody is at work here, so this notebook is stopped in about {minutes} minutes. It stays saved.", { minutes });
      return tell(is, words, left < 90 ? soon : later, button(t("Keep it open"), keep), true);
    }
    if (saving === "failed") return tell("ended", t("Not saved"), t("Your last change was not saved: the notebook could not write its file. Keep this page open; Ctrl S tries again."));
    if (gone) return tell(is, words, t("The packages of this notebook were deleted from the hub while it was open: some may be missing here. Stop it on the course page and open it again; your saved work is safe."));
    if (full) return tell(is, words, t("{used} of {quota} MB of disk space are used. A notebook that fills it is stopped: delete what you do not need.", full), link(t("Files"), `files/${encoded(user, item)}`, away), true);
    tell(is, words);
  }

  const keep = ({ target }) => press(target, "keep");
  async function press(target, what) {
    target.ariaBusy = "true";
    try {
      await ask(what);
    } catch (error) {
      target.replaceWith(plain(error.message));
    }
  }

  // What instructors say to everybody, until it is put away
  function hear(messages, visit) {
    const shown = [...messages.map(({ id }) => id), visit?.when].join();
    if (shown === (notes.dataset.shown ?? "")) return;
    notes.dataset.shown = shown;
    const look = visit ? [make("li", { className: "look" }, make("span", {}, plain(t("{who} looked at this notebook at {time}.", { who: visit.who, time: clock(visit.when) }))))] : [];
    notes.replaceChildren(...look, ...messages.map(({ id, author, text }) => {
      const away = button(t("Put away"), ({ target }) => press(target, `messages/${id}/dismiss`), { "aria-label": t("Put away: {text}", { text: text.slice(0, 40) }) });
      return make("li", {}, make("span", {}, make("b", {}, plain(author)), " ", plain(text)), away);
    }));
    makeRoom();
  }

  // The page may put its own body together: the bar goes in when there is one.
  const dress = () => (host.dataset.theme = document.body.classList.contains("dark") ? "dark" : "light"); // as the notebook
  new MutationObserver(dress).observe(document.body, { attributeFilter: ["class"] });
  dress();
  document.body.prepend(host); // for the keyboard, too, it comes before the notebook
  document.head.append(room);
  makeRoom();
  document.addEventListener("visibilitychange", listen);
  addEventListener("online", listen);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", ({ persisted }) => persisted && listen());
  listen();
})();
