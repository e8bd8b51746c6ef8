// Requests to the hub, and their outcome in words a person can use.

export const root = new URL(document.documentElement.dataset.root, location.href);
const tabs = new BroadcastChannel(`hub:${root.pathname}`);

// In the page's language; {name} is filled in.
const texts = JSON.parse(document.querySelector("meta[name=texts]")?.content ?? "{}");
export const t = (text, values = {}) => (texts[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

export class Refusal extends Error {
  constructor(status, answer, retryAfter) {
    super(typeof answer.detail === "string" ? answer.detail : t("The hub refused this ({status}).", { status }));
    Object.assign(this, { status, answer, retryAfter });
  }
}

// POST `body` to `url` and return the JSON answer. Throws Refusal for a refusal, TypeError if nobody answers.
export async function ask(url, body = new FormData()) {
  const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
  if (csrf) body.set("csrf", csrf);
  const files = [...body.values()].some((value) => value instanceof File);
  const response = await fetch(url, {
    method: "POST",
    body: files ? body : new URLSearchParams(body),
    headers: { Accept: "application/json", "X-CSRF-Token": csrf },
    redirect: "manual", // the hub itself answers with JSON: who leads elsewhere is a login
  });
  if (response.type === "opaqueredirect") throw new Refusal(401, { detail: t("You are signed out. What was saved is safe.") });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer, Number(response.headers.get("Retry-After")));
  return answer;
}

// An address from an answer, relative to the hub's root; it can not lead out of the hub.
export function within(url) {
  const target = new URL(url, root);
  if (target.origin !== root.origin || !target.pathname.startsWith(root.pathname)) throw new Refusal(0, {});
  return target;
}

export const tellTabs = () => tabs.postMessage("changed");
export const onTabs = (callback) => tabs.addEventListener("message", callback);

// A small DOM: text is always text, whatever it says.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
