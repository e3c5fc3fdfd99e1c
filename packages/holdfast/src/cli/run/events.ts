import { isatty } from 'node:tty';
import { note, noteJson, shown, styledNote } from '../output.ts';

/** What `holdfast run` reports, on stderr: stdout belongs to the command. */
export interface Events {
  /** Something that went wrong; always reported. */
  problem(name: string, text: string, details?: object): void;
  /** Information for people at a terminal; cron would send a mail about it. */
  progress(name: string, text: string, details?: object): void;
  /** What happens in every run; for programs only. */
  record(name: string, details?: object): void;
}

/** Events as lines for people, or each as one line of JSON. */
export function createEvents(key: string, json: boolean): Events {
  const say = (name: string, text: string, details: object = {}): void => {
    if (json) noteJson({ event: name, key, ...details, message: text === '' ? undefined : text });
    else note(`${styledNote('yellow', 'holdfast:')} ${shown(text)}`);
  };
  const watched = json || isatty(2);
  return {
    problem: say,
    progress: (name, text, details) => {
      if (watched) say(name, text, details);
    },
    record: (name, details) => {
      if (json) say(name, '', details);
    },
  };
}
