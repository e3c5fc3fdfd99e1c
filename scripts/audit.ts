/** What `npm audit --json` said: how many vulnerabilities are known, or why it could not be asked. */
export type Audit = { readonly known: number } | { readonly notChecked: string };

/** Reads it. Both a vulnerability and a registry that takes no such question make npm exit with 1. */
export function readAudit(text: string): Audit {
  const answer = parsed(text);
  const known = answer?.metadata?.vulnerabilities?.total;
  if (known !== undefined) return { known };
  // The registry's address is nobody's business.
  const reason = (answer?.message ?? answer?.error?.summary ?? 'npm said nothing').replace(
    /https?:\/\/\S+/g,
    'the registry',
  );
  return { notChecked: reason };
}

/** The packages that their authors have given up, with what they say, as npm writes it into its lock file. */
export function deprecatedIn(lockFile: string): string[] {
  const { packages = {} }: { packages?: Record<string, { version?: string; deprecated?: string }> } =
    JSON.parse(lockFile);
  return Object.entries(packages).flatMap(([path, { version, deprecated }]) =>
    deprecated === undefined ? [] : [`${path.replace(/^.*node_modules\//, '')} ${version}: ${deprecated}`],
  );
}

interface Answer {
  readonly metadata?: { readonly vulnerabilities?: { readonly total?: number } };
  readonly message?: string;
  readonly error?: { readonly summary?: string };
}

function parsed(text: string): Answer | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
