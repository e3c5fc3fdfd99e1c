import { setImmediate } from 'node:timers';

type Send = (command: string, args: readonly string[]) => Promise<unknown>;

// Smaller ones cost more in system calls than the server gains.
const groupSize = 16;

/**
 * Sends what is called in one turn of the event loop in groups, a group a turn, in the order of the calls: node-redis writes
 * all commands of a turn at its end, and with groups the server works on one while the next is made. A long burst goes out
 * in larger groups, so that it needs few turns.
 */
export function batchCommands(send: Send): Send {
  let room = groupSize;
  let turning = false;
  let waiting: (() => void)[] = [];

  function nextTurn(): void {
    room = Math.max(groupSize, Math.ceil(waiting.length / 4));
    const group = waiting;
    waiting = group.splice(room);
    for (const sendNow of group) sendNow();
    turning = group.length > 0;
    room -= group.length;
    if (turning) setImmediate(nextTurn);
  }

  return (command, args) => {
    if (!turning) {
      turning = true;
      setImmediate(nextTurn);
    }
    if (room > 0) {
      room -= 1;
      return send(command, args);
    }
    return new Promise((resolve) => {
      waiting.push(() => resolve(send(command, args)));
    });
  };
}
