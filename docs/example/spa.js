// A page with two views, in which the component comes and goes. One Enabler serves them all; a view that is left takes
// its component out with `unmount`, and nothing of it stays behind.

const { processor, session } = document.body.dataset;
const { Enabler } = await import(`${processor}/enabler/connector-enabler.es.js`);

const told = { results: [], shown: 0 };
const view = document.getElementById("view");
const enabler = new Enabler({ processorUrl: processor, sessionId: session, onComplete: (result) => told.results.push(result) });

const paragraph = (className, text) => Object.assign(document.createElement("p"), { className, textContent: text });

const views = {
  // With class names that the component has too, inside itself. Neither notices the other.
  async basket() {
    view.append(paragraph("message", "Two mugs, €29.80"), paragraph("pay", "Pay on the next page."));
    return () => {};
  },
  async payment() {
    const place = document.createElement("div");
    view.append(place);
    const builder = await enabler.createComponentBuilder("card");
    const component = builder.build({ showPayButton: true });
    component.mount(place).catch(() => {}); // It says itself what is wrong. Left before its fields were there, nothing is.
    return () => component.unmount();
  },
};

let leave = async () => {};

async function show() {
  const left = leave;
  // Whoever comes next waits for this view to be whole, and then leaves it.
  const shown = left().then(async () => {
    view.replaceChildren();
    const done = await (views[location.hash.slice(1)] ?? views.basket)();
    told.shown += 1;
    return done;
  });
  leave = async () => (await shown)();
}

window.addEventListener("hashchange", show);
show();

Object.assign(window, { told });
