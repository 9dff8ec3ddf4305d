import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundlePath } from '@temporalio/worker';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const source = path.join(repository, 'src');
const cache = path.join(repository, '.selkie', 'test');
const converterSource = path.join(source, 'contract', 'payload-converter.ts');

/** The workflows as workers get them, made from the current sources; kept until one of these changes. */
export async function workflowBundle(entry = path.join(source, 'workflows', 'index.ts')): Promise<WorkflowBundlePath> {
  const rooms = ['lib', 'contract', 'seal', 'domains', 'governance', 'workflows'].map((room) =>
    path.join(source, room),
  );
  const codePath = path.join(cache, `workflows-${await digestOf([...rooms, path.dirname(entry)], entry)}.js`);
  try {
    await readFile(codePath);
  } catch {
    const { code } = await bundleWorkflowCode({
      workflowsPath: entry,
      payloadConverterPath: converterSource,
      logger: new DefaultLogger('WARN'),
    });
    await publish(codePath, code);
  }
  return { codePath };
}

/** The tolerant converter as a file that Node can `require`, for clients and workers. */
export async function payloadConverterPath(): Promise<string> {
  const file = path.join(cache, `payload-converter-${await digestOf([path.dirname(converterSource)], '')}.cjs`);
  const { outputText } = ts.transpileModule(await readFile(converterSource, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023 },
  });
  await publish(file, outputText);
  return file;
}

async function publish(file: string, text: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}

async function digestOf(folders: string[], entry: string): Promise<string> {
  const hash = createHash('sha256').update(entry);
  hash.update(await readFile(path.join(repository, 'package-lock.json')));
  for (const folder of folders) {
    for (const name of (await readdir(folder, { recursive: true })).sort()) {
      if (name.endsWith('.ts') && !name.endsWith('.test.ts')) hash.update(await readFile(path.join(folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}
