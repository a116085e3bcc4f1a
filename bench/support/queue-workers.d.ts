interface Workers {
  readonly pids: readonly number[];
  done(): number;
  processorMs(): number;
  until(total: number): Promise<void>;
  stop(): Promise<void>;
}

export function startWorkers(options: {
  readonly script: string;
  readonly args: readonly unknown[];
  readonly processes?: number;
  readonly root: string;
}): Promise<Workers>;
