import type { RoundStatus } from '../../contract/index.js';
import { clock } from '../output.js';
import { statusLine } from '../round-text.js';

const plainEveryMs = 15_000;

/**
 * Shows that a campaign moves: on a terminal one line that is written over, elsewhere a line for each change of phase and
 * one every 15 s.
 */
export class ProgressLine {
  readonly #startMs = Date.now();
  readonly #terminal = process.stderr.isTTY;
  #shownMs = 0;
  #shownPhase = '';

  constructor(private readonly rounds: number) {}

  show(round: number, status: RoundStatus | null): void {
    const what = status === null ? 'waiting for the worker' : statusLine(status);
    const line = `${clock((Date.now() - this.#startMs) / 1000)}  round ${round} of ${this.rounds} · ${what}`;
    if (this.#terminal) {
      process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 120) - 1)}`);
      return;
    }
    const phase = `${round} ${status?.phase ?? ''}`;
    if (phase === this.#shownPhase && Date.now() - this.#shownMs < plainEveryMs) return;
    this.#shownPhase = phase;
    this.#shownMs = Date.now();
    process.stderr.write(`${line}\n`);
  }

  end(): void {
    if (this.#terminal) process.stderr.write('\r\x1b[2K');
  }
}
