// Minor units for people: 4200 EUR -> €42.00. The browser knows how many digits a currency has.
export function formatMoney(amount, currency) {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}
