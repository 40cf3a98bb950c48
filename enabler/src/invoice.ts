// Methods without a PSP: an invoice, and an invoice for a purchase order with its number.

import { element } from "./element.js";
import { EnablerError } from "./errors.js";
import type { MakeSource } from "./source.js";

// Characters, as much as the processor takes.
const LENGTH_MAX = "256";

export const invoice: MakeSource = ({ texts }) => ({
  element: element("p", { class: "chosen", text: texts.invoiceText }),
  ready: Promise.resolve(),
  method: () => Promise.resolve({ type: "invoice" }),
  isValid: () => true,
  showValidation: () => {},
  state: () => ({}),
  enable: () => {},
  disable: () => {},
  remove: () => {},
});

export const purchaseOrder: MakeSource = ({ texts, submit }) => {
  const field = (id: string, more: Record<string, string>) =>
    element("input", { attributes: { id, type: "text", autocomplete: "off", maxlength: LENGTH_MAX, ...more } });
  const number = field("po-number", { required: "", "aria-describedby": "po-number-error" });
  const memo = field("invoice-memo", {});
  const error = element("p", { class: "wrong", attributes: { id: "po-number-error", role: "alert" } });
  const isValid = () => number.value.trim() !== "";
  function mark(): void {
    number.setAttribute("aria-invalid", String(!isValid()));
    error.textContent = isValid() ? "" : texts.poMissing;
  }
  function showValidation(): void {
    mark();
    if (!isValid()) number.focus();
  }
  number.addEventListener("input", () => {
    if (isValid()) mark();
  });
  const form = element(
    "form",
    { class: "form", attributes: { novalidate: true, autocomplete: "off", "aria-label": texts.purchaseOrder } },
    element("label", { text: texts.poNumber, attributes: { for: "po-number" } }),
    number,
    error,
    element("label", { text: texts.invoiceMemo, attributes: { for: "invoice-memo" } }),
    memo,
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      submit();
    }
  });
  return {
    element: form,
    ready: Promise.resolve(),
    method() {
      showValidation();
      if (!isValid()) return Promise.reject(new EnablerError("incomplete", texts.poMissing, { shown: true }));
      const [poNumber, invoiceMemo] = [number.value.trim(), memo.value.trim()];
      return Promise.resolve({ type: "purchaseorder", poNumber, ...(invoiceMemo && { invoiceMemo }) });
    },
    isValid,
    showValidation,
    state: () => ({}),
    enable: () => setDisabled(false),
    disable: () => setDisabled(true),
    remove: () => {},
  };

  function setDisabled(disabled: boolean): void {
    number.disabled = memo.disabled = disabled;
  }
};
