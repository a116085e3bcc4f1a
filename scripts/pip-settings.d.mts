/** See `pip-settings.mjs`. */
export function uvSettings(list: string): { readonly args: string[]; readonly env: Record<string, string> };
