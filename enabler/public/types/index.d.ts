export { Enabler } from "./enabler.js";
export { EnablerError } from "./errors.js";
export type * from "./contract.js";
