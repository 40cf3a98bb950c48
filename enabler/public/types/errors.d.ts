import type { Reason } from "./contract.js";
export interface Circumstances {
    /** The payment may have been made all the same. The attempt is kept, and paying again resumes it. */
    uncertain?: boolean;
    /** Of the processor's answer. */
    status?: number | undefined;
    paymentReference?: string | undefined;
    /** Why the processor refused. */
    reason?: Reason | undefined;
    /** Of the processor's answer, for whoever looks into its logs. */
    correlationId?: string | undefined;
    /** The shopper has seen it already, in the fields. */
    shown?: boolean;
}
export declare class EnablerError extends Error {
    readonly name = "EnablerError";
    /** One of ours ("configuration", "unavailable", "unreachable", "fields", "incomplete", "abandoned", "shop") or the processor's. */
    readonly code: string;
    readonly uncertain: boolean;
    readonly status: number | undefined;
    readonly reason: Reason | undefined;
    readonly correlationId: string | undefined;
    readonly shown: boolean;
    paymentReference: string | undefined;
    constructor(code: string, message: string, circumstances?: Circumstances);
}
/** Whatever was thrown: what is not ours is the shop's. */
export declare const errorOf: (thrown: unknown) => EnablerError;
