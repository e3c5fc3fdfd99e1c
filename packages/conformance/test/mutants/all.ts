import { afterOthersMutants } from './after-others.ts';
import { argumentMutants } from './arguments.ts';
import { claimEndMutants } from './claim-ends.ts';
import { claimLeaseMutants } from './claim-leases.ts';
import { claimQueueMutants } from './claim-queues.ts';
import { endingMutants } from './ending.ts';
import { handleMutants } from './handles.ts';
import { heardLateMutants } from './heard-late.ts';
import { jointRenewalMutants } from './joint-renewals.ts';
import { leaseWayMutants } from './lease-ways.ts';
import { listingMutants } from './listing.ts';
import { lookalikeMutants } from './lookalikes.ts';
import { lookingMutants } from './looking.ts';
import { modeLocksMutants } from './mode-locks.ts';
import { momentMutants } from './moments.ts';
import type { Mutant } from './mutant.ts';
import { nameMutants } from './names.ts';
import { oddLookMutants } from './odd-looks.ts';
import { oddMomentMutants } from './odd-moments.ts';
import { oddQueueMutants } from './odd-queues.ts';
import { otherEndMutants } from './other-ends.ts';
import { ownerMutants } from './owners.ts';
import { patienceMutants } from './patience.ts';
import { permitMutants } from './permits.ts';
import { placeMutants } from './places.ts';
import { promiseMutants } from './promises.ts';
import { queuePromiseMutants } from './queue-promises.ts';
import { quorumMutants } from './quorum.ts';
import { readerMutants } from './readers.ts';
import { sequenceMutants } from './sequences.ts';
import { stepAsideMutants } from './steps-aside.ts';
import { stepBackMutants } from './steps-back.ts';
import { takingMutants } from './taking.ts';
import { toldAfterMutants } from './told-after.ts';
import { toldMutants } from './told-of-keys.ts';
import { valueMutants } from './values.ts';
import { waitingMutants } from './waiting.ts';
import { whoIsMeantMutants } from './who-is-meant.ts';

/** The mutants that need no server, by what they get wrong. */
export const groups: Readonly<Record<string, readonly Mutant[]>> = {
  'Asking for a lock': takingMutants,
  'Prolonging, giving back and taking over': endingMutants,
  'Tokens and times': valueMutants,
  'A majority of nodes': quorumMutants,
  'Queues and wake-ups': waitingMutants,
  'What stands for a key': nameMutants,
  'Promises that are not kept, and what shows now and then': [...promiseMutants, ...momentMutants],
  'What shows only in a sequence, or in great numbers': sequenceMutants,
  'Promises of a queue': queuePromiseMutants,
  'Readers and writers': readerMutants,
  Permits: permitMutants,
  'Places of waiters with claims': placeMutants,
  'Leases of readers, of permits and after a downgrade': claimLeaseMutants,
  'What is over, and what is told of it': claimEndMutants,
  'Places, tokens and numbers, of every kind of hold': claimQueueMutants,
  'Names that are mixed up, clients that end, and hints': otherEndMutants,
  'The moment at which a lease ends, signals that abort, and calls that come late': oddMomentMutants,
  'Who is let in without a release, and who asks the queue again': oddQueueMutants,
  'What is told of leases, tokens and keys': oddLookMutants,
  'Leases that began in another way, or stand beside others': [...leaseWayMutants, ...jointRenewalMutants],
  'What is listed, and who is told of an end': [...toldMutants, ...heardLateMutants],
  'Who is meant, and how many there may be': whoIsMeantMutants,
  'Keys with a past, names of a kind, and what others do': stepAsideMutants,
  'What holds and requests leave behind': stepBackMutants,
  'What was done before, or by another one': [...afterOthersMutants, ...toldAfterMutants],
  'Modes, in lock-core': modeLocksMutants,
  'Names that are taken for one another': lookalikeMutants,
  'Looking, freeing by hand, closing, declaring': lookingMutants,
  'Listing all locks': listingMutants,
  'The handle of a lock': handleMutants,
  'Who is who, and `using`': ownerMutants,
  'Waiting, renewing by itself and closing': patienceMutants,
  'What should be refused': argumentMutants,
};

export const mutants: readonly Mutant[] = Object.values(groups).flat();
