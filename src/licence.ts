/** insightface gives its trained weights away for research that is not commercial, whatever the licence of its code. */
export const INSIGHTFACE_LICENCE = 'LicenseRef-InsightFace-non-commercial';

/** Of weights that may be insightface's. */
export const DOUBTFUL_LICENCE = 'LicenseRef-perhaps-InsightFace-non-commercial';

/** Whether a licence, as far as it is known, keeps a model from commercial use. */
export function isForNoCommerce(licence: string | undefined): licence is string {
  return licence !== undefined && /\bNC\b|non-commercial/i.test(licence);
}

/** What that means, for people. */
export function noCommerceText(licence: string): string {
  if (licence !== DOUBTFUL_LICENCE) return 'the licence of these weights allows no commercial use';
  return "by the names of their files these weights may be insightface's, whose licence allows no commercial use";
}
