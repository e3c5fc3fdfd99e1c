/**
 * The exit codes of every command, in one place. Our own are in a range that programs seldom use (`sysexits.h` and above), so that
 * `holdfast run` can pass on that of its command.
 */
export const exitCodes = {
  /** Done; the answer is yes. */
  ok: 0,
  /** The answer is no: the key is free, a critical problem was found, the adapter does not conform. */
  no: 1,
  /** A mistake on the command line or in the lock URL. */
  usage: 64,
  /** The key holds data that is not a lock. */
  foreignKey: 65,
  /** The backend does not answer, or refuses access. */
  unavailable: 69,
  /** A bug of ours. */
  internal: 70,
  /** The answer cannot be written: the disk is full, or nobody reads the token of `holdfast acquire`. */
  notWritten: 74,
  /** `holdfast run`: somebody else holds the lock (with `--try`, or after `--wait`). */
  busy: 75,
  /** A package is not installed, or the backend cannot do what was requested. */
  unsupported: 78,
  /** `holdfast run`: the lock was lost while the command ran, and the command was stopped. */
  lost: 79,
  /** `holdfast run`: the command cannot be executed. */
  notExecutable: 126,
  /** `holdfast run`: there is no such command. */
  notFound: 127,
  /** A signal ended it: this plus the number of the signal, 130 for Ctrl-C. */
  signal: 128,
} as const;
