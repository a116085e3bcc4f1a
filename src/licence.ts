/** Whether a licence, as far as it is known, keeps a model from commercial use. */
export function isForNoCommerce(licence: string | undefined): licence is string {
  return licence !== undefined && /\bNC\b|non-commercial/i.test(licence);
}

/** What that means, for people. */
export function noCommerceText(licence: string): string {
  if (!/\bperhaps\b/.test(licence)) return 'the licence of these weights allows no commercial use';
  return "by the names of their files these weights may be insightface's, whose licence allows no commercial use";
}
