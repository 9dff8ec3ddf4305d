import type { Connection } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType as encodeType } from '@temporalio/common/lib/search-attributes.js';
import { msToTs } from '@temporalio/common/lib/time.js';
import { searchAttributes, type SearchAttributeName } from '../../contract/index.js';
import { messageOf } from '../../lib/error-message.js';
import { StackError } from '../errors.js';
import { connectTemporal } from './client.js';
import type { TemporalTarget } from './target.js';

/** The development server keeps closed runs for a day; a campaign's history is worth more. */
const retentionDays = 365;
const prepareTimeoutMs = 60_000;

/** Temporal's number of a type; 0 is none, which the server refuses. */
const typeNumber = (type: (typeof searchAttributes)[SearchAttributeName]) =>
  encodeType(type.toUpperCase() as Uppercase<typeof type>) ?? 0;

/** Registers the search attributes that the namespace lacks: the server's own flag works on a new file only. */
async function registerSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const names = Object.keys(searchAttributes) as SearchAttributeName[];
  const missing = names.filter((name) => !(name in customAttributes));
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, typeNumber(searchAttributes[name])])),
  });
}

/** Gives our own server the search attributes, and a retention that outlives a weekend. */
export async function prepareOwnNamespace(target: TemporalTarget): Promise<void> {
  const { address, namespace } = target;
  const connection = await connectTemporal(target);
  try {
    await connection.withDeadline(Date.now() + prepareTimeoutMs, async () => {
      await registerSearchAttributes(connection, namespace);
      await connection.workflowService.updateNamespace({
        namespace,
        config: { workflowExecutionRetentionTtl: msToTs(`${retentionDays} days`) },
      });
    });
  } catch (error) {
    throw new StackError(`Temporal at ${address} could not be prepared: ${messageOf(error)}`);
  } finally {
    await connection.close();
  }
}

/**
 * Registers the search attributes in a namespace that others own, and changes nothing else. Some servers, Temporal
 * Cloud among them, let only their administrators do that; rounds run without.
 *
 * @returns what to tell people, or null
 * @throws UnreachableError where the server does not let us in
 */
export async function prepareForeignNamespace(target: TemporalTarget): Promise<string | null> {
  const { address, namespace } = target;
  const connection = await connectTemporal(target);
  try {
    await connection.withDeadline(Date.now() + prepareTimeoutMs, () => registerSearchAttributes(connection, namespace));
    return null;
  } catch (error) {
    return `the search attributes could not be registered in ${namespace} at ${address} (${messageOf(error)}): rounds run, searches by SealGate and the like find nothing. Register them as docker/temporal/namespace.sh does.`;
  } finally {
    await connection.close();
  }
}
