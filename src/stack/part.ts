import type { StackError } from './errors.js';
import type { Ports } from './machine/ports.js';
import type { RunnerOptions } from './programs.js';
import type { PartName } from './processes/records.js';

export interface StackOptions {
  /** the folder for all run state; by default `SELKIE_HOME` or `.selkie` */
  home?: string;
  /** fixed ports; the others are the defaults where these are free */
  ports?: Partial<Ports>;
  runner?: RunnerOptions;
  /** what to start; by default everything */
  parts?: readonly PartName[];
  /** environment above the process's own */
  env?: NodeJS.ProcessEnv;
  /** told what happens, a line at a time */
  onProgress?: (line: string) => void;
  /** told when a part ended too often and stays down */
  onFailure?: (error: StackError) => void;
}

export interface RunningPart {
  name: PartName;
  /** null while it is down */
  pid: number | null;
  restarts: number;
}
