import { execa } from 'execa';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { searchAttributes, taskQueues } from '../../src/contract/index.js';
import { repoRoot } from '../../src/stack/index.js';

const file = join(repoRoot, 'docker-compose.yml');
const read = (path: string): string => readFileSync(join(repoRoot, path), 'utf8');

const serviceSchema = z.looseObject({
  image: z.string().optional(),
  build: z.object({ context: z.string(), dockerfile: z.string() }).loose().optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  environment: z.record(z.string(), z.string()).default({}),
  healthcheck: z
    .object({ test: z.array(z.string()) })
    .loose()
    .optional(),
  ports: z.array(z.string()).default([]),
  profiles: z.array(z.string()).default([]),
  restart: z.string(),
  volumes: z.array(z.string()).default([]),
});
const compose = z
  .object({ services: z.record(z.string(), serviceSchema), volumes: z.record(z.string(), z.null()) })
  .loose()
  .parse(parse(readFileSync(file, 'utf8'), { merge: true }));
const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  it('keeps to the Compose schema, and to the lint rules that guard against accidents', async () => {
    const dclint = join(repoRoot, 'node_modules', '.bin', 'dclint');
    const { exitCode, stdout } = await execa(dclint, [file, '--max-warnings', '0'], { cwd: repoRoot, reject: false });
    expect(stdout).toBe('');
    expect(exitCode).toBe(0);
  });

  it('waits only for services that are there and can come to what is waited for', () => {
    for (const [name, { depends_on: dependencies }] of services) {
      for (const [other, { condition }] of Object.entries(dependencies)) {
        const target = compose.services[other];
        expect(target, `${name} waits for ${other}`).toBeDefined();
        expect(target?.profiles, `${other} is always there`).toEqual([]);
        if (condition === 'service_healthy') expect(target?.healthcheck, `${other} says how it is`).toBeDefined();
        else expect(target?.restart, `${other} ends`).toMatch(/^on-failure/);
      }
    }
  });

  it('says of every service that goes on whether it is well', () => {
    for (const [name, { restart, healthcheck }] of services) {
      if (restart === 'unless-stopped') expect(healthcheck, name).toBeDefined();
    }
  });

  it('opens ports on the loopback only', () => {
    for (const [name, { ports }] of services) {
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('holds no secret', () => {
    for (const [name, { environment }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (/PASSWORD|PWD|KEY|TOKEN/.test(key)) expect(value, `${name} ${key}`).toMatch(/^\$\{\w+(:\?|:-\})/);
        expect(value, `${name} ${key}`).not.toMatch(/:\/\/[^:/@]+:[^$@]+@/);
      }
    }
  });

  it('asks for no variable that the example does not explain', () => {
    const asked = [...readFileSync(file, 'utf8').matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    for (const name of asked) expect(read('docker/env.example')).toContain(`${name}=`);
  });

  it('mounts volumes that are declared, and files that are there', () => {
    for (const [, { volumes, build }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(join(repoRoot, source)), source).toBe(true);
        else expect(compose.volumes).toHaveProperty([source]);
      }
      if (build !== undefined) expect(existsSync(join(repoRoot, build.dockerfile)), build.dockerfile).toBe(true);
    }
  });

  it('offers the runner on a CPU and on a GPU, one at a time, under the name that the worker asks for', () => {
    expect(compose.services['runner-cpu']?.profiles).toEqual(['cpu']);
    expect(compose.services['runner-nvidia']?.profiles).toEqual(['nvidia']);
    for (const name of ['runner-cpu', 'runner-nvidia']) {
      expect(compose.services[name]).toMatchObject({ networks: { default: { aliases: ['runner'] } } });
    }
    expect(compose.services['worker']?.environment['SELKIE_INFERENCE_URL']).toContain('http://runner:8790/v1');
  });
});

describe('docker/', () => {
  it('copies only what is there', () => {
    for (const name of ['worker', 'runner']) {
      const copies = [...read(`docker/Dockerfile.${name}`).matchAll(/^COPY (?!--from)(.+) \S+$/gm)];
      const sources = copies.flatMap(([, list = '']) => list.split(' '));
      expect(sources).not.toEqual([]);
      for (const source of sources) expect(existsSync(join(repoRoot, source)), source).toBe(true);
    }
  });

  it('registers the search attributes of the contract', () => {
    const [, list = ''] = /<<ATTRIBUTES\n(.*)\nATTRIBUTES/s.exec(read('docker/temporal/namespace.sh')) ?? [];
    const registered = Object.fromEntries(list.split('\n').map((line) => line.split(' '))) as unknown;
    expect(registered).toEqual(searchAttributes);
  });

  it('asks after the queue of the control worker', () => {
    expect(read('docker/worker-health.mjs')).toContain(`taskQueue = '${taskQueues.workflow}'`);
  });
});
