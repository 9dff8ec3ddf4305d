import { z } from 'zod';

/**
 * The version of a document that is kept in a row, an artifact or a history. Readers leave out fields that they do not know
 * (`tolerant`), and a field that is added later is optional or has a default. So a new version is for a change that no older
 * reader can read around. A document that states none is of the first.
 */
export const documentVersionSchema = z.literal(1).default(1);
