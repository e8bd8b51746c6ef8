// In idle moments the editor's files are fetched: the first click finds them in the browser.
import { root } from "./ask.js";

const later = self.requestIdleCallback ?? ((callback) => setTimeout(callback, 200));
const idle = () => new Promise((done) => later(done, { timeout: 5000 }));
const saving = navigator.connection?.saveData; // who pays for each byte is not sent what may never be used

async function fetchAhead() {
  await idle();
  const answer = await fetch(new URL("editor-files", root));
  for (const file of answer.ok ? await answer.json() : []) {
    await idle();
    await (await fetch(new URL(file, root), { priority: "low" })).arrayBuffer();
  }
}

if (!saving) fetchAhead().catch(() => {}); // then the editor fetches them itself
