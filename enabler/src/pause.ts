// Waiting between tries.

/** Seconds, growing by half each time, each with some chance in it so that many browsers do not come back at once. */
export function* delays({ first, most }: { first: number; most: number }): Generator<number, never> {
  for (let delay = first; ; delay = Math.min(delay * 1.5, most)) yield delay * (0.75 + Math.random() / 2);
}

/** With `orOnline`: or until the browser says that the network is back. */
export function pause(seconds: number, { orOnline = false } = {}): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    if (orOnline) window.addEventListener("online", done);
  });
}
