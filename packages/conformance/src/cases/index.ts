import type { Case } from '../case.ts';
import { abortCases } from './abort.ts';
import { adminCases } from './admin.ts';
import { argumentCases } from './arguments.ts';
import { claimAbortCases } from './claim-aborts.ts';
import { claimBesideCases } from './claim-beside.ts';
import { claimCrowdCases } from './claim-crowds.ts';
import { claimEndCases } from './claim-ends.ts';
import { claimHintCases } from './claim-hints.ts';
import { claimLeaseCases } from './claim-leases.ts';
import { claimLimitCases } from './claim-limits.ts';
import { claimLookCases } from './claim-looks.ts';
import { claimMomentCases } from './claim-moments.ts';
import { claimNameCases } from './claim-names.ts';
import { claimQueueCases } from './claim-queues.ts';
import { claimRefCases } from './claim-refs.ts';
import { claimTokenCases } from './claim-tokens.ts';
import { closingCases } from './closing.ts';
import { deadWaiterCases } from './dead-waiters.ts';
import { declarationCases } from './declaration.ts';
import { embeddedFaultCases } from './embedded-faults.ts';
import { endOfClientCases } from './ends-of-clients.ts';
import { exclusionCases } from './exclusion.ts';
import { expiryCases } from './expiry.ts';
import { expiryMomentCases } from './expiry-moment.ts';
import { fairnessCases } from './fairness.ts';
import { fencingCases } from './fencing.ts';
import { formerLeaseCases } from './former-leases.ts';
import { formerOwnerCases } from './former-owners.ts';
import { frozenAnswerCases } from './frozen-answers.ts';
import { handOverRaceCases } from './hand-over-races.ts';
import { hintCases } from './hints.ts';
import { idempotencyCases } from './idempotency.ts';
import { keyCases } from './keys.ts';
import { lateEndCases } from './late-ends.ts';
import { leaseWalkCases } from './lease-walks.ts';
import { leaseCases } from './leases.ts';
import { listingCases } from './listing.ts';
import { loadCases } from './load.ts';
import { longQueueCases } from './long-queues.ts';
import { lossCases } from './loss.ts';
import { lostReplyCases } from './lost-replies.ts';
import { modeLookCases } from './mode-looks.ts';
import { modeRaceCases } from './mode-races.ts';
import { modeRuleCases } from './mode-rules.ts';
import { namedForceReleaseCases } from './named-force-release.ts';
import { nameCases } from './names-apart.ts';
import { nameEverywhereCases } from './names-everywhere.ts';
import { ownershipCases } from './ownership.ts';
import { partitionCases } from './partitions.ts';
import { permitQueueCases } from './permit-queue.ts';
import { permitCases } from './permits.ts';
import { processCases } from './processes.ts';
import { promptCases } from './prompt.ts';
import { queuePromiseCases } from './queue-promises.ts';
import { quietCases } from './quiet.ts';
import { raceCases } from './races.ts';
import { reentrancyCases } from './reentrancy.ts';
import { releaseCases } from './release.ts';
import { renewManyCases } from './renew-many.ts';
import { renewalCases } from './renewal.ts';
import { serverCases } from './servers.ts';
import { sharedCases } from './shared.ts';
import { sharedQueueCases } from './shared-queue.ts';
import { silenceCases } from './silence.ts';
import { steadyAnswerCases } from './steady-answers.ts';
import { stillThereCases } from './still-there.ts';
import { strangerCases } from './strangers.ts';
import { tokenBlockCases } from './token-blocks.ts';
import { usingCases } from './using.ts';
import { waitingCases } from './waiting.ts';
import { watchdogCases } from './watchdog.ts';

/** All cases, ordered by ID. IDs are permanent: a new case gets the next free ID, regardless of its group. */
export const cases: readonly Case[] = [
  ...declarationCases,
  ...exclusionCases,
  ...expiryCases,
  ...ownershipCases,
  ...idempotencyCases,
  ...releaseCases,
  ...renewalCases,
  ...watchdogCases,
  ...lossCases,
  ...fencingCases,
  ...waitingCases,
  ...fairnessCases,
  ...abortCases,
  ...reentrancyCases,
  ...usingCases,
  ...keyCases,
  ...argumentCases,
  ...adminCases,
  ...listingCases,
  ...closingCases,
  ...loadCases,
  ...lostReplyCases,
  ...partitionCases,
  ...silenceCases,
  ...serverCases,
  ...processCases,
  ...deadWaiterCases,
  ...expiryMomentCases,
  ...hintCases,
  ...leaseCases,
  ...namedForceReleaseCases,
  ...nameCases,
  ...queuePromiseCases,
  ...quietCases,
  ...raceCases,
  ...embeddedFaultCases,
  ...renewManyCases,
  ...tokenBlockCases,
  ...lateEndCases,
  ...leaseWalkCases,
  ...formerOwnerCases,
  ...longQueueCases,
  ...sharedCases,
  ...sharedQueueCases,
  ...permitCases,
  ...permitQueueCases,
  ...modeLookCases,
  ...modeRaceCases,
  ...modeRuleCases,
  ...claimAbortCases,
  ...claimCrowdCases,
  ...claimEndCases,
  ...claimHintCases,
  ...claimLeaseCases,
  ...claimLimitCases,
  ...claimLookCases,
  ...claimMomentCases,
  ...claimNameCases,
  ...claimQueueCases,
  ...claimRefCases,
  ...claimTokenCases,
  ...endOfClientCases,
  ...claimBesideCases,
  ...promptCases,
  ...steadyAnswerCases,
  ...formerLeaseCases,
  ...handOverRaceCases,
  ...frozenAnswerCases,
  ...strangerCases,
  ...stillThereCases,
  ...nameEverywhereCases,
].sort((a, b) => a.id.localeCompare(b.id));
