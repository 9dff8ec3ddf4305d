export interface BenchContext {
  /** told what happens, a line at a time */
  onProgress: (line: string) => void;
  /** further arguments, for benches that take some */
  args: readonly string[];
}

export interface BenchResult {
  /** plain JSON: every number of the result, and what it was made with */
  json: Record<string, unknown>;
  /** the same for people */
  text: string;
  /** whether the result is what the bench promises; false ends the command with code 1 */
  passed: boolean;
}

/** A measurement that is run by name: `npm run bench -- NAME --json`. */
export interface Bench {
  summary: string;
  /** its own arguments, where it prints no help itself */
  usage?: string;
  run(context: BenchContext): Promise<BenchResult>;
}
