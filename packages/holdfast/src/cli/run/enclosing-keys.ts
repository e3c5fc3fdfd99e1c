/** The keys of all runs around a command, the outermost first. HOLDFAST_KEYS has only those of the innermost run. */
export const enclosingKeysVariable = 'HOLDFAST_ENCLOSING_KEYS';

/** The keys of every `holdfast run` that started this process, directly or not. */
export function enclosingKeys(): readonly string[] {
  try {
    const keys: unknown = JSON.parse(process.env[enclosingKeysVariable] ?? '[]');
    return Array.isArray(keys) ? keys.map(String) : [];
  } catch {
    return []; // not ours
  }
}
