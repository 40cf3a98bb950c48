// PSP, as `GET /operations/config` names it -> its module.

import type { PspModule } from "./port.js";
import { sandbox } from "./sandbox.js";

const PSPS: Readonly<Record<string, PspModule>> = { sandbox };

export const pspOf = (name: string): PspModule | undefined => (Object.hasOwn(PSPS, name) ? PSPS[name] : undefined);
