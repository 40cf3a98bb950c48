// What a storefront gets: `import { Enabler } from "…/connector-enabler.es.js"`, or the global `Connector.Enabler`.

export { Enabler } from "./enabler.js";
export { EnablerError } from "./errors.js";
export type * from "./contract.js";
