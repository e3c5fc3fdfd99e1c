/** Says what is going on at the moment; the empty text ends it. */
export type Progress = (text: string) => void;

/** One line that is written over and over in a terminal; nothing elsewhere. */
export function progressLine(title: string): Progress {
  if (process.stderr.isTTY !== true) return () => {};
  return (text) => {
    process.stderr.write(`\r\x1b[K${text === '' ? '' : `${title}: ${text}`}`);
  };
}
