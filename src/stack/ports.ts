import getPort, { clearLockedPorts } from 'get-port';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { StackError } from './errors.js';

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

/** `port`, or a free one if something listens there. get-port would keep its answer locked for a while: we start at once. */
async function freePort(port: number, exclude: Iterable<number> = []): Promise<number> {
  const free = await getPort({ port, host, exclude });
  clearLockedPorts();
  return free;
}

/** Whether nothing listens on this port of the loopback. */
export const isFree = async (port: number): Promise<boolean> => (await freePort(port)) === port;

function readPorts(file: string): Ports {
  try {
    return portsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return defaultPorts; // the first start, or a file that somebody broke
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
 * The ports of a stack: as asked for (by `fixed` or the environment), else as last time, else the defaults; a port that
 * is taken gives way to a free one, unless it was asked for. Remembered in `file`.
 */
export async function choosePorts(file: string, fixed: Partial<Ports>, env: NodeJS.ProcessEnv): Promise<Ports> {
  const asked = { ...fixedByEnvironment(env), ...fixed };
  const wanted = { ...readPorts(file), ...asked };
  const chosen = { ...wanted };
  const taken = new Set<number>();
  for (const name of Object.keys(defaultPorts) as PortName[]) {
    const port = await freePort(wanted[name], taken);
    if (port !== wanted[name] && asked[name] !== undefined) {
      throw new StackError(
        `port ${asked[name]} for ${name} is taken: end what listens there, or give another (${portVariables[name]}).`,
      );
    }
    chosen[name] = port;
    taken.add(port);
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(chosen, null, 2)}\n`);
  return chosen;
}
