// Serves @labdigital/commercetools-mock on a free port of this machine, in memory, until stdin ends.
// Prints one JSON line when it is ready.
import { CommercetoolsMock } from "@labdigital/commercetools-mock";

const mock = new CommercetoolsMock({
  strict: true,
  silent: true,
  enableAuthentication: true,
  validateCredentials: true,
  defaultProjectKey: "demo",
});
const url = await mock.app.listen({ port: 0, host: "127.0.0.1" });
console.log(JSON.stringify({ ready: "commercetools-mock", url }));

// The test that started us may be killed; a pipe that closes is the one signal that always comes.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
