import { Domains } from './domains.js';
import { knowledgeDomain } from './knowledge/index.js';

export { domainProblems, Domains, templatesOf } from './domains.js';

/** The domains that ship with Selkie. */
export const domains = new Domains([knowledgeDomain]);
