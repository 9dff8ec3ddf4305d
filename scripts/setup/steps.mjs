// Shows each step of the installation with its number and time, and keeps what the tools print in a log.
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';

/** Something that a person can put right; its message says how. */
export class SetupError extends Error {}

const plainEverySeconds = 15;
const seconds = (sinceMs) => `${Math.round((Date.now() - sinceMs) / 1000)} s`;

export class Steps {
  #done = 0;
  #startedMs = Date.now();

  /**
   * @param {number} total how many steps there will be
   * @param {string} logFile everything that the tools print goes here
   */
  constructor(total, logFile) {
    this.total = total;
    this.logFile = logFile;
    mkdirSync(dirname(logFile), { recursive: true });
  }

  /** Runs one step and shows that it moves: one rewritten line on a terminal, a line every 15 s elsewhere. */
  async run(title, work) {
    this.#done += 1;
    const head = `[${this.#done}/${this.total}] ${title}`;
    const startMs = Date.now();
    const terminal = process.stderr.isTTY === true;
    if (!terminal) process.stderr.write(`${head} …\n`);
    const timer = setInterval(
      () =>
        process.stderr.write(terminal ? `\r\x1b[2K${head} … ${seconds(startMs)}` : `${head} … ${seconds(startMs)}\n`),
      terminal ? 1000 : plainEverySeconds * 1000,
    );
    try {
      await work();
    } finally {
      clearInterval(timer);
      if (terminal) process.stderr.write('\r\x1b[2K');
    }
    process.stderr.write(`${head} done in ${seconds(startMs)} (${seconds(this.#startedMs)} in all)\n`);
  }

  /** Runs a command with its output in the log; throws a SetupError with the log's tail and `advice` when it fails. */
  async command(file, args, advice, options = {}) {
    const from = existsSync(this.logFile) ? statSync(this.logFile).size : 0;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    log.write(`$ ${[file, ...args].join(' ')}\n`);
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const code = await new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new SetupError(`cannot run ${file}: ${error.message}. ${advice}`)));
      child.once('close', resolve);
    });
    await new Promise((resolve) => log.end(resolve));
    if (code !== 0) {
      const printed = readFileSync(this.logFile).subarray(from).toString('utf8');
      const tail = printed.trimEnd().split('\n').slice(-12).join('\n  ');
      throw new SetupError(
        `${file} ${args[0] ?? ''} ended with code ${code}:\n  ${tail}\n${advice}\nAll of it: ${this.logFile}`,
      );
    }
  }
}
