/** See `python-venv.mjs`. */
export function pythonWith(requirements: string): Promise<string>;
