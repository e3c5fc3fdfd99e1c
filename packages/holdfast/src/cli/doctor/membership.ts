import { type Finding, hint, warning } from './diagnosis.ts';

/** What follows from the number of voting servers, and from the number of them in the URL. */
export function membershipFindings(word: string, voting: number, named: number): Finding[] {
  const findings: Finding[] = [];
  const tolerated = Math.ceil(voting / 2) - 1;
  if (voting === 1) {
    findings.push(
      warning(
        `There is only one ${word}.`,
        'While it is down, no lock can be acquired, and held locks are lost when their leases end.',
        'Use three, on different machines.',
      ),
    );
  } else if (voting % 2 === 0) {
    findings.push(
      warning(
        `There are ${voting} ${word}s, an even number.`,
        `They tolerate ${tolerated} ${tolerated === 1 ? 'failure' : 'failures'}, no more than ${voting - 1} would.`,
        `Use ${voting - 1} or ${voting + 1}.`,
      ),
    );
  }
  if (named < voting) {
    findings.push(
      hint(
        `The URL names ${named} of the ${voting} ${word}s.`,
        'If the named ones are down, clients do not find the others, although these could still grant locks.',
        'Name all of them.',
      ),
    );
  }
  return findings;
}
