// What the bank asks of the shopper: a question in a dialog, or a visit of the whole page.

import { inDialog } from "./dialog.js";
import { webAddress } from "./element.js";
import { EnablerError } from "./errors.js";
import type { Panel } from "./panel.js";
import type { PspModule } from "./psp/port.js";
import type { Texts } from "./texts.js";
import type { Action } from "./wire.js";

// Seconds in which a redirect must have left the page.
const LEAVES_S = 30;

/** Gives the parameters of the completion. Raises EnablerError, "abandoned" where the shopper gave up. */
export async function perform(action: Action, { panel, psp, texts }: { panel: Panel; psp: PspModule; texts: Texts }): Promise<object> {
  const address = webAddress(action.url);
  if (address === null) throw new EnablerError("configuration", "The action has no web address.");
  const { root, signal } = panel;
  switch (action.type) {
    case "challenge":
      return inDialog({ address, title: texts.challenge, texts, root, signal }, psp.actionParameters);
    case "redirect":
      panel.say("status", texts.redirect);
      return redirect(address, signal);
    default:
      throw new EnablerError("configuration", `There is no action ${action.type} here.`);
  }
}

/** Comes to an end only where the page stays, or is stepped back to: the browser kept it, or never left it. */
function redirect(address: URL, signal: AbortSignal): Promise<object> {
  return new Promise((_, reject) => {
    const over = new AbortController();
    const stay = (why: string) => {
      clearTimeout(timer);
      over.abort();
      reject(new EnablerError("abandoned", why));
    };
    // A visit that was stopped, or that turns out to be a download, is told to nobody.
    const timer = setTimeout(() => stay("The page was not left."), LEAVES_S * 1000);
    const back = ({ persisted }: PageTransitionEvent) => {
      if (persisted) stay("The shopper came back without an answer.");
    };
    window.addEventListener("pageshow", back, { signal: over.signal });
    signal.addEventListener("abort", () => stay("The component was removed."), { signal: over.signal });
    window.location.assign(address.href);
  });
}
