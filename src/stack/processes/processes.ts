import { execa } from 'execa';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';

/** A process for certain: a pid alone is soon another one's. */
export interface ProcessId {
  pid: number;
  startTime: string;
}
export interface ProcessEntry {
  pid: number;
  ppid: number;
  rssBytes: number;
}

const linux = process.platform === 'linux';

/** The fields of `/proc/<pid>/stat` after the command's name, which may itself hold spaces: state is 0, ppid 1, start time 19. */
const statFields = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

/** When the process began, in the system's own words; null when it is gone or a zombie. */
export function startTimeOf(pid: number): string | null {
  try {
    if (!linux) {
      const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
      return line === '' || line.startsWith('Z') ? null : line.slice(line.indexOf(' ')).trim();
    }
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

export const isAlive = ({ pid, startTime }: ProcessId): boolean => startTimeOf(pid) === startTime;

/** Every process of the machine, or none where it cannot be read. */
export async function processTable(): Promise<ProcessEntry[]> {
  if (!linux) {
    const { stdout } = await execa('ps', ['-axo', 'pid=,ppid=,rss='], { reject: false });
    return stdout.split('\n').flatMap((line) => {
      const [pid, ppid, kilobytes] = line.trim().split(/\s+/).map(Number);
      return pid === undefined || ppid === undefined || kilobytes === undefined
        ? []
        : [{ pid, ppid, rssBytes: kilobytes * 1024 }];
    });
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(
    pids.map(async (pid): Promise<ProcessEntry[]> => {
      try {
        const status = await readFile(`/proc/${pid}/status`, 'utf8');
        const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
        return [{ pid: Number(pid), ppid: field('PPid'), rssBytes: field('VmRSS') * 1024 }];
      } catch {
        return []; // it ended meanwhile
      }
    }),
  );
  return entries.flat();
}

/** The processes of `table` that are `roots` or descend from them. */
export function treeOf(table: ProcessEntry[], roots: number[]): ProcessEntry[] {
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of table) children.set(entry.ppid, [...(children.get(entry.ppid) ?? []), entry]);
  const tree = new Map(table.filter(({ pid }) => roots.includes(pid)).map((entry) => [entry.pid, entry]));
  const open = [...tree.keys()];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (tree.has(child.pid)) continue;
      tree.set(child.pid, child);
      open.push(child.pid);
    }
  }
  return [...tree.values()];
}
