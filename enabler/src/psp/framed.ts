// A page of the PSP's in a frame, with messages both ways that reach and come from that page alone.

import { element } from "../element.js";
import { isObject } from "../wire.js";

type Hear = Readonly<Record<string, (message: Record<string, unknown>) => void>>;

export interface Framed {
  element: HTMLIFrameElement;
  tell(message: object): void;
  remove(): void;
}

/** `hear`: message type -> what to do with it. */
export function framed({ url, title, hear }: { url: URL; title: string; hear: Hear }): Framed {
  const frame = element("iframe", {
    attributes: { title, src: url.href, referrerpolicy: "origin", sandbox: "allow-scripts allow-same-origin allow-forms" },
  });
  function listen({ origin, source, data }: MessageEvent<unknown>): void {
    // Both: other frames share the origin, and the frame may have been led elsewhere.
    if (origin !== url.origin || source !== frame.contentWindow || !isObject(data)) return;
    const { type } = data;
    if (typeof type === "string" && Object.hasOwn(hear, type)) hear[type]?.(data);
  }
  window.addEventListener("message", listen);
  return {
    element: frame,
    tell: (message) => frame.contentWindow?.postMessage(message, url.origin),
    remove() {
      window.removeEventListener("message", listen);
      frame.remove();
    },
  };
}
