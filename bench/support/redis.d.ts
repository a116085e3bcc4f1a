export function startBenchRedis(
  settings?: Readonly<Record<string, string>>,
): Promise<{ readonly url: string; stop(): Promise<void> }>;
