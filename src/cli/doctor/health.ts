import { Agent as HttpAgent, get as httpGet } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const answersWithinMs = 5000;

/** What a runner adds to its health. Servers of others say nothing, or something else: each part counts by itself. */
const healthSchema = z.looseObject({
  waiting: z.looseObject({ rows: z.number(), oldestSeconds: z.number() }).optional().catch(undefined),
  cores: z
    .looseObject({ status: z.string(), takenByOthers: z.number(), threads: z.number() })
    .optional()
    .catch(undefined),
  limits: z.array(z.string()).optional().catch(undefined),
});

/** What a model server reports of its health. Its OpenAI paths are under `inferenceUrl`; `/health` is next to them. */
export async function checkHealth(inferenceUrl: string): Promise<{ ok: boolean; detail: string }> {
  if (!URL.canParse(inferenceUrl)) return { ok: false, detail: 'that is no address' };
  const url = new URL(inferenceUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')}/health`;
  try {
    const { status, body } = await ask(url);
    if (status >= 500) return { ok: false, detail: `it answers and is not well (${status})` };
    return { ok: true, detail: ['it answers', ...warningsIn(body)].join('; ') };
  } catch (error) {
    return {
      ok: false,
      detail: `it does not answer (${(error as Error).message || (error as { code?: string }).code})`,
    };
  }
}

/** What makes it slow, in words. Exported for its test. */
export function warningsIn(body: string): string[] {
  let health: z.infer<typeof healthSchema>;
  try {
    health = healthSchema.parse(JSON.parse(body));
  } catch {
    return []; // an empty answer, or one that we do not know
  }
  const { waiting, cores, limits = [] } = health;
  const warnings = [...limits];
  if (waiting !== undefined && waiting.rows > 0) {
    warnings.push(`${waiting.rows} rows wait, the first for ${Math.round(waiting.oldestSeconds)} s`);
  }
  if (cores?.status === 'busy') {
    warnings.push(
      `the cores are busy: others take ${cores.takenByOthers.toFixed(1)}, and it has ${cores.threads} threads; end what else runs, or give it fewer (\`up --threads\`)`,
    );
  }
  return warnings;
}

const modelsSchema = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })).min(1) });

/** The model that a server has: the first of its list, adapters come after it. Null where it does not say. */
export async function servedModel(inferenceUrl: string): Promise<string | null> {
  try {
    const { body } = await ask(new URL(`${inferenceUrl.replace(/\/+$/, '')}/models`));
    return modelsSchema.parse(JSON.parse(body)).data[0]?.id ?? null;
  } catch {
    return null;
  }
}

/** Node's own client with a separate agent: it takes no proxy from the environment. */
function ask(url: URL): Promise<{ status: number; body: string }> {
  const [get, Agent] = url.protocol === 'https:' ? [httpsGet, HttpsAgent] : [httpGet, HttpAgent];
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: new Agent(), timeout: answersWithinMs }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.on('timeout', () => request.destroy(new Error(`nothing within ${answersWithinMs / 1000} s`)));
    request.on('error', reject);
  });
}
