import { createRequire } from 'node:module';

/**
 * Temporal's SDK fails a workflow task in which a payload claims to be in external storage and none is configured, at
 * every retry: one such signal, which anyone can send, would wedge a round. Selkie stores nothing there, so such a
 * payload counts as one that cannot be decoded. The SDK has no setting for that, so this removes its check; the version
 * is pinned, and a test (tests/process/workflows/messages.test.ts) fails where that no longer helps.
 */
export function takeReferencesForPayloads(): void {
  const require = createRequire(import.meta.url);
  const helpers = require('@temporalio/common/lib/internal-non-workflow/extstore-helpers.js') as {
    isReferencePayload: (payload: unknown) => boolean;
  };
  helpers.isReferencePayload = () => false;
}
