/** How bad a finding is: two may hold the lock or none can; something may go wrong one day; good to know. */
export type Severity = 'critical' | 'warning' | 'note';

/** Something that endangers the locks of a backend. */
export interface Finding {
  readonly severity: Severity;
  /** What is so, in a sentence. */
  readonly what: string;
  /** Where it is so: `host:port` of some of the servers; absent when it is a matter of all together. */
  readonly at?: readonly string[];
  /** What it can lead to. */
  readonly harm: string;
  /** What to do. */
  readonly remedy: string;
}

/** One server, as far as it answered. */
export interface ServerReport {
  /** `host:port` */
  readonly address: string;
  readonly role?: string | undefined;
  readonly version?: string | undefined;
  readonly roundTripMs?: number | undefined;
  /** The server's clock minus ours. */
  readonly clockOffsetMs?: number | undefined;
  /** How wrong `clockOffsetMs` may be, either way. */
  readonly clockErrorMs?: number | undefined;
  /** Why there is no answer. */
  readonly problem?: string | undefined;
}

/** What was found about a backend. */
export interface Diagnosis {
  readonly servers: readonly ServerReport[];
  readonly findings: readonly Finding[];
}

export function critical(what: string, harm: string, remedy: string): Finding {
  return { severity: 'critical', what, harm, remedy };
}

export function warning(what: string, harm: string, remedy: string): Finding {
  return { severity: 'warning', what, harm, remedy };
}

export function hint(what: string, harm: string, remedy: string): Finding {
  return { severity: 'note', what, harm, remedy };
}

/** The findings as those of one server. */
export function at(address: string, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({ ...finding, at: [address] }));
}

/** One finding for what several servers have in common; the worst first. */
export function merged(findings: readonly Finding[]): Finding[] {
  const bySentence = new Map<string, Finding>();
  for (const finding of findings) {
    const sentence = `${finding.severity} ${finding.what} ${finding.harm} ${finding.remedy}`;
    const same = bySentence.get(sentence);
    const servers = [...(same?.at ?? []), ...(finding.at ?? [])];
    bySentence.set(sentence, servers.length === 0 ? finding : { ...finding, at: servers });
  }
  return [...bySentence.values()].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

const order: readonly Severity[] = ['critical', 'warning', 'note'];
