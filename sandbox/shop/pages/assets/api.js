// The shop's own JSON routes. A failure is an Error with a sentence for the person in front of the page.

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(`/api${path}`, { cache: "no-store", ...options });
  } catch {
    throw new Error("The shop does not answer. Is it still running?");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.message ?? `The shop answered ${response.status}.`);
  return body;
}

export const get = (path) => send(path);
export const post = (path, body) =>
  send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// Calls `step` again and again until it returns false, while somebody looks at the page. Failures are told and outlived.
export function poll(step, { every, failed }) {
  const again = () => setTimeout(run, every);
  async function run() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", run, { once: true });
      return;
    }
    try {
      if ((await step()) === false) return;
      failed("");
    } catch (error) {
      failed(error.message);
    }
    again();
  }
  run();
}

// The link to the PSP in the header of every page.
export async function shop() {
  const found = await get("/shop");
  for (const link of document.querySelectorAll("a.psp")) link.href = `${found.pspUrl}/`;
  return found;
}
