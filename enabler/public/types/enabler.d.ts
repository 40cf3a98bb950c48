import type { ComponentBuilder, DropinBuilder, EnablerOptions, ExpressBuilder, StoredComponentBuilder, StoredPaymentMethod } from "./contract.js";
export declare class Enabler {
    #private;
    /** Raises EnablerError("configuration") for options that are missing. Whatever else is wrong, the builders tell. */
    constructor(options: EnablerOptions);
    /** "card", "invoice", "purchaseorder": fields and, if asked for, a pay button; or the page has its own and calls `submit`. */
    createComponentBuilder(type: string): Promise<ComponentBuilder>;
    /** "embedded": everything that is needed to pay, with a pay button of its own. */
    createDropinBuilder(type: string): Promise<DropinBuilder>;
    /** "card": one of the methods that `getStoredPaymentMethods` lists. */
    createStoredPaymentMethodBuilder(type: string): Promise<StoredComponentBuilder>;
    /** A wallet's button, with the shopper's address and card behind it. `isAvailable` tells whether there is one here. */
    createExpressBuilder(type: string): Promise<ExpressBuilder>;
    isStoredPaymentMethodsEnabled(): Promise<boolean>;
    getStoredPaymentMethods({ allowedMethodTypes }?: {
        allowedMethodTypes?: string[];
    }): Promise<{
        storedPaymentMethods?: StoredPaymentMethod[];
    }>;
    /** The shopper's consent, for payments that do not tell it themselves. Nothing is stored unless it is `true`. */
    setStorePaymentDetails(consent: boolean): void;
}
