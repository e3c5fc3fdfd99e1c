import { expect, it } from 'vitest';
import { readable } from '../src/errors.ts';

// What redis.call and redis.pcall say in a script.
it.each([
  "@user_script: 3: The user executing the script can't run this command or subcommand",
  "ERR The user executing the script can't run this command or subcommand script: 0a, on @user_script:3.",
  "ERR ACL failure in script: User app has no permissions to run the 'hset' command script: 0a, on @user_script:3.",
])('H130: what the user of a script may not do is a refusal, in the words of Redis 6.2, 7.0 and 7.2: %s', (words) => {
  const error = readable(new Error(words), 'fake', 'k');
  expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining(words) });
});
