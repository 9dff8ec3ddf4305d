import { Agent as HttpAgent, get as httpGet } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const answersWithinMs = 5000;

/** What a runner may add to its health; servers of others say nothing, or something else. */
const healthSchema = z.looseObject({
  status: z.string().optional(),
  warning: z.string().nullish(),
  warnings: z.array(z.string()).optional(),
});

/** How a model server says that it is. Its OpenAI paths begin at `inferenceUrl`; `/health` lies beside them. */
export async function healthOf(inferenceUrl: string): Promise<{ ok: boolean; detail: string }> {
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

function warningsIn(body: string): string[] {
  try {
    const { warning, warnings = [] } = healthSchema.parse(JSON.parse(body));
    return [...(warning === null || warning === undefined ? [] : [warning]), ...warnings];
  } catch {
    return []; // an empty answer, or one that we do not know
  }
}

/** Node's own client with an agent of its own: it takes no proxy from the environment. */
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
