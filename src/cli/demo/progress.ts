import type { RoundStatus } from '../../contract/index.js';
import { clock } from '../../lib/format.js';
import { safeText } from '../text/safe-text.js';
import { statusLine } from '../round/text.js';

const plainEveryMs = 15_000;
/** What the trials do is asked of the server, so on a terminal not for every line. */
const doingEveryMs = 5000;

/**
 * Shows that a campaign moves: on a terminal one line that is written over, elsewhere a line for each change of stage and
 * one every 15 s.
 */
export class ProgressLine {
  readonly #startMs = Date.now();
  readonly #terminal = process.stderr.isTTY;
  #shownMs = 0;
  #shownStage = '';
  #doing = '';
  #doingMs = 0;

  /** @param doing what the trials of the round do at this moment, in words */
  constructor(
    private readonly rounds: number,
    private readonly doing: (round: number) => Promise<string>,
  ) {}

  async show(round: number, status: RoundStatus | null): Promise<void> {
    const stage = `${round} ${status?.stage ?? ''}`;
    const isNews = stage !== this.#shownStage;
    if (!this.#terminal && !isNews && Date.now() - this.#shownMs < plainEveryMs) return;
    this.#shownStage = stage;
    this.#shownMs = Date.now();
    if (isNews || Date.now() - this.#doingMs >= doingEveryMs) {
      this.#doing = await this.doing(round);
      this.#doingMs = Date.now();
    }
    const what = status === null ? 'waiting for the worker' : safeText(statusLine(status, this.#doing));
    const line = `${clock((Date.now() - this.#startMs) / 1000)}  round ${round} of ${this.rounds} · ${what}`;
    if (this.#terminal) process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 120) - 1)}`);
    else process.stderr.write(`${line}\n`);
  }

  end(): void {
    if (this.#terminal) process.stderr.write('\r\x1b[2K');
  }
}
