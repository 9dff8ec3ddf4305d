import { describe, expect, it } from 'vitest';
import { roundConfigSchema, type RoundConfigInput } from '../contract/index.js';
import { domainProblems, domains, templatesOf } from './index.js';

const knowledge = domains.get('knowledge');
const configOf = (input: RoundConfigInput) => roundConfigSchema.parse(input);

describe('the domain that a config names', () => {
  it('is looked up by its name, and another name is refused with those there are and the nearest one', () => {
    expect(domains.get(configOf({}).domain).id).toBe('knowledge');
    expect(() => domains.get('knowlege')).toThrow(
      'domain: there is no "knowlege" (did you mean "knowledge"?); there are knowledge',
    );
    expect(() => domains.get('chess')).toThrow('there is no "chess"; there are knowledge');
  });

  it('says which templates and measures it has', () => {
    expect(domainProblems(knowledge, configOf({}))).toEqual([]);
    for (const measure of ['blend', 'match', 'f1', 'logLikelihood']) {
      expect(domainProblems(knowledge, configOf({ reward: { measure } }))).toEqual([]);
    }
    expect(
      domainProblems(knowledge, configOf({ templates: ['rewrite', 'self-aq'], reward: { measure: 'likelihood' } })),
    ).toEqual([
      'templates: there is no "self-aq" (did you mean "self-qa"?); there are self-qa, implications, implications-long, implications-very-long, rewrite, directed',
      expect.stringContaining('reward.measure: there is no "likelihood"') as string,
    ]);
  });

  it('has a template for a config that names none', () => {
    expect(templatesOf(knowledge, configOf({}))).toEqual(['self-qa']);
    expect(templatesOf(knowledge, configOf({ templates: ['rewrite', 'directed'] }))).toEqual(['rewrite', 'directed']);
  });
});
