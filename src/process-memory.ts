/** Memory of a process with models, in bytes. */
export interface ProcessMemory {
  /** Resident; 0 while it is not known. */
  readonly rssBytes: number;
  /** What it may take; 0: no limit. */
  readonly limitBytes: number;
}
