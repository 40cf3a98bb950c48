// A storefront written for the contract, and not for us. It has to compile against what we declare; nobody runs it.

import { Enabler } from "../src/index.js";

interface ContractComponent {
  mount(selector: string): void;
  submit(options: { storePaymentDetails?: boolean }): void;
  showValidation?(): void;
  isValid?(): boolean;
  getState?(): { card?: { endDigits?: string; brand?: string; expiryDate?: string } };
  isAvailable?(): Promise<boolean>;
  remove?(): Promise<void>;
}

interface ContractBuilder<Options> {
  componentHasSubmit?: boolean;
  build(options: Options): ContractComponent;
}

type ContractResult =
  | { isSuccess: true; paymentReference: string }
  | { isSuccess: false; paymentReference?: string };

export async function checkout(): Promise<void> {
  const enabler = new Enabler({
    processorUrl: "https://connector.example",
    sessionId: "session",
    locale: "de-DE",
    countryCode: "DE",
    onActionRequired: () => Promise.resolve(),
    onComplete: (result: ContractResult) => void result.paymentReference,
    onError: (error: unknown, context?: { paymentReference?: string }) => void [error, context?.paymentReference],
  });
  const card: ContractBuilder<{ showPayButton?: boolean; onPayButtonClick?: () => Promise<{ storePaymentDetails?: boolean }> }> =
    await enabler.createComponentBuilder("card");
  card.build({ showPayButton: true, onPayButtonClick: async () => ({ storePaymentDetails: true }) }).mount("#card");
  const dropin = await enabler.createDropinBuilder("embedded");
  const hasSubmit: boolean = dropin.dropinHasSubmit;
  dropin.build({ showPayButton: !hasSubmit, onDropinReady: () => Promise.resolve() }).mount("#dropin");
  if (await enabler.isStoredPaymentMethodsEnabled()) {
    enabler.setStorePaymentDetails(true);
    const { storedPaymentMethods = [] } = await enabler.getStoredPaymentMethods({ allowedMethodTypes: ["card"] });
    const stored: ContractBuilder<{ id: string; brands: string[]; showPayButton?: boolean }> =
      await enabler.createStoredPaymentMethodBuilder("card");
    for (const { id, displayOptions } of storedPaymentMethods) {
      stored.build({ id, brands: displayOptions.brand ? [displayOptions.brand.key] : [] }).mount("#stored");
    }
  }
}
