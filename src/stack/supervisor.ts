import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { migrate } from '../ledger/index.js';
import { bothEnded } from '../lib/concurrency.js';
import { messageOf } from '../lib/error-message.js';
import { SupervisedChild, type ChildEvents, type ChildSpec } from './processes/child.js';
import { StackError, UnreachableError } from './errors.js';
import { repoRoot, type Layout } from './layout.js';
import { loopbackDirect } from './machine/loopback.js';
import { choosePorts, type Ports } from './machine/ports.js';
import { ownPostgres } from './postgres/server.js';
import { postgresProblem } from './postgres/probe.js';
import { runnerSpec, workerSpec } from './programs.js';
import type { PartName } from './processes/records.js';
import type { RunningPart, StackOptions } from './part.js';
import type { Endpoints } from './state.js';
import {
  externalTarget,
  isSet,
  ownEnvironment,
  ownTarget,
  prepareForeignNamespace,
  prepareOwnNamespace,
  temporalSpec,
  writeTemporalConfig,
  type TemporalTarget,
} from './temporal/index.js';

const sayEveryMs = 10_000;
const portAttempts = 3;

interface TemporalPart {
  target: TemporalTarget;
  ui: string | null;
  /** of the processes that work with it */
  env: NodeJS.ProcessEnv;
}

/** Starts the parts in order, watches them, and stops them in the opposite order. */
export class Supervisor {
  readonly #children = new Map<PartName, SupervisedChild>();
  readonly #env: NodeJS.ProcessEnv;
  readonly #events: ChildEvents;
  #guard: ChildProcess | null = null;

  constructor(
    private readonly layout: Layout,
    private readonly options: StackOptions,
  ) {
    this.#env = loopbackDirect({ ...process.env, ...options.env });
    this.#events = {
      onRestart: (name, reason) => this.#say(`${name} ${reason}; starting it again`),
      onGiveUp: (_name, error) => options.onFailure?.(error),
    };
  }

  async start(): Promise<Endpoints> {
    const { layout } = this;
    mkdirSync(layout.logs, { recursive: true });
    mkdirSync(layout.store, { recursive: true });
    mkdirSync(layout.work, { recursive: true });
    this.#guard = startGuard(layout);
    for (let attempt = 1; ; attempt += 1) {
      const ports = await this.#choosePorts();
      try {
        return await this.#startParts(ports);
      } catch (error) {
        await this.#stopParts();
        // Between our look and our start another process may have taken a port: then there is nothing wrong here.
        if (attempt === portAttempts || isDeepStrictEqual(await this.#choosePorts(), ports)) throw error;
        this.#say('a port was taken meanwhile; starting with another');
      }
    }
  }

  #choosePorts(): Promise<Ports> {
    return choosePorts(this.layout.ports, this.#env, this.options.ports ?? {});
  }

  async #startParts(ports: Ports): Promise<Endpoints> {
    const { layout } = this;
    const [temporal, databaseUrl] = await bothEnded(this.#startTemporal(ports), this.#startPostgres(ports));
    const inferenceUrl = this.#env['SELKIE_INFERENCE_URL'] ?? `http://127.0.0.1:${ports.inference}/v1`;
    const env = {
      ...temporal.env,
      DATABASE_URL: databaseUrl,
      SELKIE_STORE: layout.store,
      SELKIE_INFERENCE_URL: inferenceUrl,
    };
    await bothEnded(
      this.#startPart('runner', () => runnerSpec(layout, this.options.runner ?? {}, ports.inference, env)),
      this.#startPart('worker', () => workerSpec(layout, env, this.options.runner?.model)),
    );
    return {
      temporalAddress: temporal.target.address,
      temporalNamespace: temporal.target.namespace,
      temporalUi: temporal.ui,
      databaseUrl,
      inferenceUrl,
      store: layout.store,
      logs: layout.logs,
    };
  }

  async #startTemporal(ports: Ports): Promise<TemporalPart> {
    const external = externalTarget(this.#env);
    if (external !== null) {
      const problem = await prepareForeignNamespace(external).catch((error: unknown) => {
        throw new UnreachableError(`${messageOf(error)} Unset TEMPORAL_ADDRESS for a local one.`);
      });
      if (problem !== null) this.#say(problem);
      return { target: external, ui: null, env: this.#env };
    }
    const own = ownTarget(`127.0.0.1:${ports.temporal}`);
    await writeTemporalConfig(this.layout.temporalConfig, own.address);
    if (await this.#startPart('temporal', () => temporalSpec(this.layout, ports, this.#env))) {
      await prepareOwnNamespace(own);
    }
    return {
      target: own,
      ui: `http://127.0.0.1:${ports.temporalUi}`,
      env: ownEnvironment(this.#env, own.address, this.layout.temporalConfig),
    };
  }

  async #startPostgres(ports: Ports): Promise<string> {
    const external = this.#env['DATABASE_URL'];
    if (isSet(external)) {
      const problem = await postgresProblem(external);
      if (problem !== null) {
        throw new UnreachableError(
          `the Postgres of DATABASE_URL cannot be used: ${problem}. Unset the variable for an embedded one.`,
        );
      }
      await migrate(external);
      return external;
    }
    const own = await ownPostgres(this.layout, ports.postgres, this.#env);
    if (await this.#startPart('postgres', () => own.spec)) {
      await own.createDatabase();
      await migrate(own.databaseUrl);
    }
    return own.databaseUrl;
  }

  /** Starts a part unless it was not asked for; returns whether it runs. */
  async #startPart(name: PartName, spec: () => ChildSpec): Promise<boolean> {
    if (this.options.parts !== undefined && !this.options.parts.includes(name)) return false;
    const startedMs = Date.now();
    const child = new SupervisedChild(spec(), this.layout.pids, this.#events);
    this.#children.set(name, child);
    this.#say(`starting ${name}`);
    const seconds = () => (Date.now() - startedMs) / 1000;
    const timer = setInterval(() => this.#say(`${name} is still starting (${Math.round(seconds())} s)`), sayEveryMs);
    await child.start().finally(() => clearInterval(timer));
    this.#say(`${name} is ready after ${seconds().toFixed(1)} s (process ${child.pid})`);
    return true;
  }

  #say(line: string): void {
    this.options.onProgress?.(line);
  }

  processes(): RunningPart[] {
    return [...this.#children].map(([name, { pid, restarts }]) => ({ name, pid, restarts }));
  }

  child(name: PartName): SupervisedChild {
    const child = this.#children.get(name);
    if (child === undefined) throw new StackError(`this stack has no ${name}`);
    return child;
  }

  async stop(): Promise<void> {
    await this.#stopParts();
    this.#guard?.stdin?.end();
    this.#guard = null;
  }

  /** Those who work first, then the servers that they need. */
  async #stopParts(): Promise<void> {
    const stop = async (name: PartName) => this.#children.get(name)?.stop();
    await bothEnded(stop('worker'), stop('runner'));
    await bothEnded(stop('temporal'), stop('postgres'));
    this.#children.clear();
  }
}

/** A small process that stops the parts should this one be killed; see guard.ts. */
function startGuard(layout: Layout): ChildProcess {
  const program = join(repoRoot, 'dist', 'stack', 'processes', 'guard.js');
  if (!existsSync(program)) throw new StackError('dist/ is missing or old: run `npm run build` first.');
  const log = openSync(join(layout.logs, 'guard.log'), 'a');
  const guard = spawn(process.execPath, [program, layout.home], { detached: true, stdio: ['pipe', log, log] });
  guard.once('error', (error) => {
    throw new StackError(`cannot run ${process.execPath}: ${messageOf(error)}`);
  });
  guard.unref();
  return guard;
}
