import { failure, likelihoodComponent, type RoundConfig } from '../contract/index.js';
import { closestOf } from '../lib/closest.js';
import type { Domain } from './domain.js';

/** The domains that a worker has, by the names under which a round's config asks for them. */
export class Domains {
  readonly #byId: ReadonlyMap<string, Domain>;

  constructor(domains: readonly Domain[]) {
    this.#byId = new Map(domains.map((domain) => [domain.id, domain]));
  }

  /** @throws InvalidConfig that lists the domains there are */
  get(name: string): Domain {
    const domain = this.#byId.get(name);
    if (domain === undefined) throw failure('InvalidConfig', `domain: ${unknown(name, [...this.#byId.keys()])}`);
    return domain;
  }
}

/** Names in a config that its domain does not know, each with those that it does. */
export function domainProblems(
  domain: Domain,
  { templates, reward }: Pick<RoundConfig, 'templates' | 'reward'>,
): string[] {
  const measures = ['blend', ...domain.components, likelihoodComponent];
  return [
    ...templates
      .filter((name) => !domain.templates.includes(name))
      .map((name) => `templates: ${unknown(name, domain.templates)}`),
    ...(measures.includes(reward.measure) ? [] : [`reward.measure: ${unknown(reward.measure, measures)}`]),
  ];
}

/** The templates that a round uses, in turn. */
export const templatesOf = (domain: Domain, { templates }: Pick<RoundConfig, 'templates'>): string[] =>
  templates.length > 0 ? templates : [domain.templates[0]];

function unknown(name: string, known: readonly string[]): string {
  const meant = closestOf(name, known);
  return `there is no "${name}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}; there are ${known.join(', ')}`;
}
