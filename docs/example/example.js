// Everything a page has to do: an Enabler, a builder, a component in a place. `told` is for the curious, and the console.

const { processor, session } = document.body.dataset;
const told = { results: [], errors: [], actions: [] };
const say = (text) => { document.getElementById("outcome").textContent = text; };

const enabler = new Connector.Enabler({
  processorUrl: processor,
  sessionId: session,
  onComplete(result) {
    told.results.push(result);
    say(`${result.outcome}: Payment ${result.paymentReference}`);
  },
  onError(error, { paymentReference }) {
    told.errors.push({ code: error.code, message: error.message, paymentReference });
  },
  async onActionRequired(action) {
    told.actions.push(action.type);
  },
});

async function show() {
  const builder = await enabler.createDropinBuilder("embedded");
  const component = builder.build({ onDropinReady: () => { told.isReady = true; } });
  told.component = component;
  await component.mount("#payment");
}

show().catch((error) => {
  told.errors.push({ code: error.code, message: error.message });
  say("Paying is not possible right now. Please come back later.");
});

Object.assign(window, { enabler, told });
