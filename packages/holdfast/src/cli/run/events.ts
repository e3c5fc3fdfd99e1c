import { isatty } from 'node:tty';
import { note, noteJson, shown, styledNote } from '../output.ts';

/** What `holdfast run` tells, on stderr: stdout belongs to the command. */
export interface Events {
  /** Something that went wrong, which everybody is told. */
  problem(name: string, text: string, details?: object): void;
  /** Something to know, for those who watch a terminal; cron would send a mail of it. */
  progress(name: string, text: string, details?: object): void;
  /** What happens every time, for programs only. */
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
