/** Whether a licence, as far as it is known, keeps a model from commercial use. */
export function isForNoCommerce(licence: string | undefined): licence is string {
  return licence !== undefined && /\bNC\b|non-commercial/i.test(licence);
}
