import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/error-message.js';
import { StackError } from '../errors.js';
import { readFrom, sizeOf, tailOf } from './log-file.js';
import { removeRecord, stopProcess, writeRecord, type PartName, type ProcessRecord } from './records.js';

/** How one process is started and known to be ready. */
export interface ChildSpec {
  name: PartName;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** the user to run as, where it is not ours */
  user?: { uid: number; gid: number } | undefined;
  logFile: string;
  /** asked again and again until true; `log` is what the process has printed since it started */
  isReady: (log: string) => Promise<boolean>;
  readyWithinMs: number;
  stopSignal: ProcessRecord['stopSignal'];
  stopWithinMs: number;
  /** what to try when it does not start, for the message, by what it printed; perhaps nothing */
  advise: (log: string) => string;
  /** how long to wait before each start after a crash; when they are used up within ten minutes, it stays down */
  restartDelaysMs?: readonly number[];
}

export interface ChildEvents {
  /** the process ended by itself and is started again */
  onRestart: (name: PartName, reason: string) => void;
  /** it ended too often; `error` holds the log's tail */
  onGiveUp: (name: PartName, error: StackError) => void;
}

const pollMs = 100;
const defaultRestartDelaysMs = [500, 1000, 2000, 5000, 10_000];
const restartWindowMs = 10 * 60_000;
const rotateAtBytes = 20 * 1024 * 1024;

/** A process that is started again when it crashes, a bounded number of times in ten minutes. */
export class SupervisedChild {
  #process: ChildProcess | null = null;
  #record: ProcessRecord | null = null;
  #stopping = false;
  #crashes: number[] = [];
  #restarting: Promise<void> | null = null;
  restarts = 0;

  constructor(
    readonly spec: ChildSpec,
    private readonly pids: string,
    private readonly events: ChildEvents,
  ) {}

  get pid(): number | null {
    return this.#record?.pid ?? null;
  }

  /** Starts the process and waits until it is ready; throws a StackError with the log's tail when it does not get there. */
  async start(): Promise<void> {
    this.#stopping = false;
    const { spec } = this;
    mkdirSync(dirname(spec.logFile), { recursive: true });
    if (sizeOf(spec.logFile) > rotateAtBytes) renameSync(spec.logFile, `${spec.logFile}.1`);
    const from = sizeOf(spec.logFile);
    // The log is the child's own file, not a pipe to us: it can write on when we are killed.
    const log = openSync(spec.logFile, 'a');
    const child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      ...spec.user,
      detached: true, // its own process group: Ctrl-C reaches us, and we stop it gracefully
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const spawnError = new Promise<never>((_resolve, reject) =>
      child.once('error', (error) =>
        reject(new StackError(`cannot run ${spec.command}: ${error.message}. ${spec.advise('')}`)),
      ),
    );
    await Promise.race([new Promise((resolve) => child.once('spawn', resolve)), spawnError]);
    if (child.pid === undefined) throw new StackError(`cannot run ${spec.command}. ${spec.advise('')}`);
    this.#process = child;
    // null when it has ended already, which the wait below reports with what it printed
    this.#record = writeRecord(this.pids, spec.name, child.pid, spec.stopSignal);
    await this.#untilReady(child, from);
    child.once('exit', (code, signal) => this.#onExit(code, signal));
  }

  async #untilReady(child: ChildProcess, from: number): Promise<void> {
    const { spec } = this;
    const untilMs = Date.now() + spec.readyWithinMs;
    for (;;) {
      if (hasEnded(child)) {
        this.#forget();
        throw new StackError(`${spec.name} ${howItEnded(child.exitCode, child.signalCode)}.\n${this.#help()}`);
      }
      const ready = await spec.isReady(readFrom(spec.logFile, from));
      if (ready && !hasEnded(child)) return;
      if (this.#stopping) {
        await this.#end();
        throw new StackError(`${spec.name} was stopped before it was ready`);
      }
      if (Date.now() >= untilMs) {
        await this.#end();
        throw new StackError(
          `${spec.name} was not ready within ${Math.round(spec.readyWithinMs / 1000)} s.\n${this.#help()}`,
        );
      }
      await sleep(pollMs);
    }
  }

  #help(): string {
    const tail = tailOf(this.spec.logFile);
    return [tail, this.spec.advise(tail), `All of it: ${this.spec.logFile}`].filter((line) => line !== '').join('\n');
  }

  #forget(): void {
    if (this.#record !== null) removeRecord(this.pids, this.#record);
    this.#record = null;
    this.#process = null;
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#forget();
    if (this.#stopping || this.#restarting !== null) return;
    this.#restarting = this.#restartAfterCrash(howItEnded(code, signal)).finally(() => {
      this.#restarting = null;
    });
  }

  async #restartAfterCrash(reason: string): Promise<void> {
    for (let why = reason; !this.#stopping;) {
      const nowMs = Date.now();
      this.#crashes = [...this.#crashes.filter((atMs) => nowMs - atMs < restartWindowMs), nowMs];
      const delayMs = (this.spec.restartDelaysMs ?? defaultRestartDelaysMs)[this.#crashes.length - 1];
      if (delayMs === undefined) {
        this.events.onGiveUp(
          this.spec.name,
          new StackError(`${this.spec.name} ended ${this.#crashes.length} times in ten minutes.\n${this.#help()}`),
        );
        return;
      }
      this.events.onRestart(this.spec.name, why);
      await sleep(delayMs);
      if (this.#isStopping()) return;
      try {
        await this.start();
        this.restarts += 1;
        return;
      } catch (error) {
        why = messageOf(error);
      }
    }
  }

  // a method, because `stop` may have run during the wait before it
  #isStopping(): boolean {
    return this.#stopping;
  }

  /** Stops gracefully, then kills; no restart. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#end();
    await this.#restarting;
  }

  async #end(): Promise<void> {
    if (this.#record !== null) await stopProcess(this.#record, this.spec.stopWithinMs);
    this.#forget();
  }

  /** Restarts gracefully. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Sends a signal to the process itself; what follows is up to it, and to the supervision. */
  kill(signal: NodeJS.Signals): void {
    if (this.#process?.kill(signal) !== true) throw new StackError(`${this.spec.name} does not run`);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const howItEnded = (code: number | null, signal: NodeJS.Signals | null): string =>
  signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
