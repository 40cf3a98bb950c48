import type { EnablerError } from "./errors.js";
export interface EnablerOptions {
    /** Where the connector's ingress is. */
    processorUrl: string;
    /** Of the commercetools checkout session, which knows the cart. */
    sessionId: string;
    /** BCP 47, for example `de-DE`. Absent: the page's `lang`. */
    locale?: string;
    /** ISO 3166-1. */
    countryCode?: string;
    currencyCode?: string;
    /** The shopper has to do something at the bank. A promise is waited for before it begins. */
    onActionRequired?: (action: {
        type: string;
    }) => Promise<void> | void;
    /** What the server said of the payment, once for each attempt. */
    onComplete?: (result: PaymentResult) => Promise<void> | void;
    onError?: (error: EnablerError, context: ErrorContext) => Promise<void> | void;
}
export interface ErrorContext {
    /** The commercetools Payment, where there is one. */
    paymentReference?: string;
}
/** `pending`: accepted, and settled later by the PSP. */
export type Outcome = "approved" | "pending" | "rejected";
export interface Reason {
    code: string;
    message: string;
}
export type PaymentResult = {
    isSuccess: true;
    paymentReference: string;
    outcome: "approved" | "pending";
} | {
    isSuccess: false;
    paymentReference?: string;
    outcome: "rejected";
    reason?: Reason;
};
export interface SubmitOptions {
    /** The shopper's consent. Nothing is stored unless it is `true`. */
    storePaymentDetails?: boolean;
}
export interface CardState {
    endDigits?: string;
    brand?: string;
    /** `MM/YY` */
    expiryDate?: string;
}
export interface ComponentOptions {
    showPayButton?: boolean;
    /** The library's own button was pressed. Nothing is paid where it rejects. */
    onPayButtonClick?: () => Promise<SubmitOptions | void> | SubmitOptions | void;
}
export interface DropinOptions extends ComponentOptions {
    onDropinReady?: () => Promise<void> | void;
}
export interface StoredComponentOptions extends ComponentOptions {
    /** Of the stored payment method. */
    id: string;
    brands?: string[];
}
export interface PaymentComponent {
    /** Into an element, or the one that a selector finds. Resolves when the shopper can begin, or it was taken out before. */
    mount(place: string | Element): Promise<void>;
    /** Out of the page, without a trace. It can be mounted again. */
    unmount(): void;
    /** Resolves after `onComplete` or `onError` was called, and does not reject for what those tell. */
    submit(options?: SubmitOptions): Promise<void>;
    /** Leads the shopper to what is missing. */
    showValidation(): Promise<void>;
    isValid(): boolean;
    getState(): {
        card?: CardState;
    };
    isAvailable(): Promise<boolean>;
    /** Of a stored method: forgets it, at the server too. Of others: `unmount`. */
    remove(): Promise<void>;
}
export interface ComponentBuilder {
    /** Whether `submit` pays, so that the page may have a button of its own. */
    readonly componentHasSubmit: boolean;
    build(options?: ComponentOptions): PaymentComponent;
}
export interface DropinBuilder {
    /** `false`: a drop-in has its own pay button. */
    readonly dropinHasSubmit: boolean;
    build(options?: DropinOptions): PaymentComponent;
}
export interface StoredComponentBuilder {
    readonly componentHasSubmit: boolean;
    build(options: StoredComponentOptions): PaymentComponent;
}
export interface StoredPaymentMethod {
    id: string;
    type: string;
    createdAt: string;
    isDefault: boolean;
    displayOptions: {
        endDigits?: string;
        brand?: {
            key: string;
        };
        expiryMonth?: number;
        expiryYear?: number;
        logoUrl?: string;
    };
}
/** commercetools' BaseAddress; `country` is all that every wallet tells before the shopper pays. */
export interface ExpressAddress {
    country: string;
    firstName?: string;
    lastName?: string;
    streetName?: string;
    streetNumber?: string;
    additionalStreetInfo?: string;
    postalCode?: string;
    city?: string;
    region?: string;
    phone?: string;
    email?: string;
}
export interface Amount {
    centAmount: number;
    currencyCode: string;
    fractionDigits: number;
}
export interface ExpressShippingOption {
    id: string;
    name: string;
    description?: string;
    isSelected?: boolean;
    amount: Amount;
}
export interface ExpressResult {
    isSuccess: boolean;
    paymentReference?: string;
    method: {
        type: string;
    };
}
export interface ExpressOptions {
    allowedCountries?: string[];
    initialAmount: Amount;
    /** Makes cart and session. */
    onPayButtonClick: () => Promise<{
        sessionId: string;
    }>;
    onShippingAddressSelected: (options: {
        address: ExpressAddress;
    }) => Promise<void>;
    getShippingMethods: (options: {
        address: ExpressAddress;
    }) => Promise<ExpressShippingOption[]>;
    onShippingMethodSelected: (options: {
        shippingMethod: {
            id: string;
        };
    }) => Promise<void>;
    /** Puts the addresses on the cart. Nothing is paid where it rejects. */
    onPaymentSubmit: (options: {
        shippingAddress: ExpressAddress;
        billingAddress: ExpressAddress;
    }) => Promise<void>;
    onComplete?: (result: ExpressResult) => Promise<void> | void;
}
export interface ExpressComponent {
    mount(place: string | Element): Promise<void>;
    unmount(): void;
    isAvailable(): Promise<boolean>;
}
export interface ExpressBuilder {
    build(options: ExpressOptions): ExpressComponent;
}
