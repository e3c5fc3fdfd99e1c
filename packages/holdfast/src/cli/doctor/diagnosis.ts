/** How bad a finding is: two may hold a lock or none can; something may go wrong in future; good to know. */
export type Severity = 'critical' | 'warning' | 'note';

/** Something that endangers the locks of a backend. */
export interface Finding {
  readonly severity: Severity;
  /** The finding, in a sentence. */
  readonly what: string;
  /** Where: `host:port` of some of the servers; absent if it concerns all of them together. */
  readonly at?: readonly string[];
  /** What it can lead to. */
  readonly harm: string;
  /** What to do. */
  readonly remedy: string;
}

/** What one server answered. */
export interface ServerReport {
  /** `host:port` */
  readonly address: string;
  readonly role?: string | undefined;
  readonly version?: string | undefined;
  readonly roundTripMs?: number | undefined;
  /** The server's clock minus ours. */
  readonly clockOffsetMs?: number | undefined;
  /** The possible error of `clockOffsetMs`, in either direction. */
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

/** The findings, attributed to one server. */
export function at(address: string, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({ ...finding, at: [address] }));
}

/** Merges findings that several servers have in common; the worst first. */
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
