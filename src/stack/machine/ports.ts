import getPort, { clearLockedPorts, portNumbers } from 'get-port';
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { StackError } from '../errors.js';

const portSchema = z.int().min(1).max(65_535);
const portsSchema = z.strictObject({
  temporal: portSchema,
  temporalUi: portSchema,
  postgres: portSchema,
  inference: portSchema,
});
export type Ports = z.infer<typeof portsSchema>;
export type PortName = keyof Ports;

export const defaultPorts: Ports = { temporal: 7233, temporalUi: 8233, postgres: 54329, inference: 8790 };
/** Fixes a port; the stack then refuses to start rather than take another. */
export const portVariables: Record<PortName, string> = {
  temporal: 'SELKIE_PORT_TEMPORAL',
  temporalUi: 'SELKIE_PORT_TEMPORAL_UI',
  postgres: 'SELKIE_PORT_POSTGRES',
  inference: 'SELKIE_PORT_INFERENCE',
};

const host = '127.0.0.1';

const lowestFree = 20_000;
const highestFree = 29_999;
const looked = 1000;

/**
 * Where free ports are looked for, from a random one on, since others may look at the same time. They are below those that a
 * system gives to connections and to servers that ask for any (from 32768 on Linux, 49152 elsewhere): of these Temporal takes
 * some for itself while it starts, after we have looked.
 */
export function freePortNumbers(): Iterable<number> {
  const first = randomInt(lowestFree, highestFree - looked);
  return portNumbers(first, first + looked);
}

/** `port`, or a free one if something listens there. get-port would keep its answer locked for a while: we start at once. */
async function freePort(port: number, exclude: Iterable<number>): Promise<number> {
  const free = await getPort({ port: [port, ...freePortNumbers()], host, exclude });
  clearLockedPorts();
  return free;
}

function readPorts(file: string): Ports {
  try {
    return portsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return defaultPorts; // the first start, or a damaged file
  }
}

function fixedByEnvironment(env: NodeJS.ProcessEnv): Partial<Ports> {
  const fixed: Partial<Ports> = {};
  for (const [name, variable] of Object.entries(portVariables) as [PortName, string][]) {
    const value = env[variable];
    if (value === undefined) continue;
    const port = portSchema.safeParse(Number(value));
    if (!port.success) throw new StackError(`${variable}="${value}" is no port: give a number from 1 to 65535.`);
    fixed[name] = port.data;
  }
  return fixed;
}

/**
 * The ports that a stack would take now: as asked for (by `fixed` or the environment), else as last time, else the
 * defaults; a port that is taken gives way to a free one, unless it was asked for.
 *
 * @returns also those that had to give way
 */
export async function choosablePorts(
  file: string,
  env: NodeJS.ProcessEnv,
  fixed: Partial<Ports> = {},
): Promise<{ ports: Ports; instead: number[] }> {
  const asked = { ...fixedByEnvironment(env), ...fixed };
  const wanted = { ...readPorts(file), ...asked };
  const ports = { ...wanted };
  const taken = new Set<number>();
  const instead: number[] = [];
  for (const name of Object.keys(defaultPorts) as PortName[]) {
    const port = await freePort(wanted[name], taken);
    if (port !== wanted[name]) {
      if (asked[name] !== undefined) {
        throw new StackError(
          `port ${asked[name]} for ${name} is taken: end what listens there, or give another (${portVariables[name]}).`,
        );
      }
      instead.push(wanted[name]);
    }
    ports[name] = port;
    taken.add(port);
  }
  return { ports, instead };
}

/** As {@link choosablePorts}, and remembers them in `file`, so that addresses stay from one start to the next. */
export async function choosePorts(file: string, env: NodeJS.ProcessEnv, fixed: Partial<Ports>): Promise<Ports> {
  const { ports } = await choosablePorts(file, env, fixed);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports;
}
