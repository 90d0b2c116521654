import type { Reason, StatusName } from '@perigee/core'
import type { CallFailure, Where } from './failure.ts'

/** What to do about a failed call, in one line. A reason knows more than a status. */
export function hintFor(call: CallFailure, where: Where): string {
  const hint = (call.reason && OF_REASON[call.reason]) ?? OF_STATUS[call.code]
  return hint ? hint(call, where) : 'PERIGEE_DEBUG=1 shows the whole error'
}

type Hint = (call: CallFailure, where: Where) => string

const OF_REASON: Partial<Record<Reason, Hint>> = {
  INVALID_TOKEN: () =>
    'pass the session token exactly as a write or `-o json` printed it, for this same cluster',
  TOO_LARGE: () => 'send less at once; the limits are in docs/cli.md and set on the sidecar',
  DIMENSION_MISMATCH: () => 'give a vector of as many numbers as `perigee index show` says',
  MODEL_MISMATCH: () =>
    "use vectors of the index's own model: `perigee index show` names it; `perigee reindex` moves to another",
  NOT_PRIMARY: (call) =>
    call.metadata?.primary
      ? `ask the primary region: --region ${call.metadata.primary}`
      : 'ask the primary region: `perigee status` names it',
  INDEX_NOT_FOUND: () =>
    '`perigee index list` shows the indexes there are; --namespace chooses another namespace',
  INDEX_EXISTS: () => 'choose another name: indexes and aliases of a namespace share their names',
  INDEX_IN_USE: () => 'point the alias elsewhere first: `perigee alias put`, or `perigee alias delete`',
  ALIAS_NOT_FOUND: () =>
    '`perigee alias list` shows the aliases there are; --namespace chooses another namespace',
  PRECONDITION_FAILED: () => 'somebody else wrote the key first: read it again with `perigee get KEY --meta`',
  BEHIND_SESSION: () => 'the region is still catching up: try again, or ask another one with --region',
  WOULD_LOSE_WRITES: () => 'nothing was changed; `perigee status` shows what each region holds',
  NO_PRIMARY: () =>
    'no region takes writes right now: `perigee status` shows why; for a cluster that never wrote, `perigee init`',
  OUTCOME_UNKNOWN: () => 'the write may or may not have happened: read the key back before writing again',
  DATA_UNAVAILABLE: () =>
    "the region's Redis can't answer: `perigee status` shows which; --region asks another",
  INDEX_BUILDING: () => "the region's index is still filling: `perigee index show` shows how far",
  LOST_HISTORY: () => 'a failover lost writes that this session has seen: go on without --session',
  OVERLOADED: () => 'the sidecar is at its limit of calls: try again in a moment',
  OUT_OF_MEMORY: () => "the primary's Redis is full: raise its maxmemory or delete something",
  UNKNOWN_FIELD: () => 'this perigee is newer than the sidecar: upgrade the sidecar',
  NOT_YET: () => 'this version of the sidecar does not have that yet',
}

const OF_STATUS: Partial<Record<StatusName, Hint>> = {
  UNAVAILABLE: (_, { target }) =>
    `is a cluster running at ${target}? start one with \`perigee dev\`, or point to it with --address, --state or --domain; \`perigee explain\` tells who was asked`,
  DEADLINE_EXCEEDED: () =>
    'nobody answered in time: allow more with --timeout 30s, and look at `perigee status`',
  INVALID_ARGUMENT: () => 'mend what the message names, and try again',
  UNIMPLEMENTED: (_, { target }) => `is it a Perigee sidecar of this version that listens at ${target}?`,
  INTERNAL: () => "look for the message's log id in the sidecar's log",
  RESOURCE_EXHAUSTED: () => 'ask for less at once, or try again in a moment',
  UNAUTHENTICATED: () =>
    'this cluster wants to know who asks: set PERIGEE_TOKEN, or show a certificate with --cert and --key',
  PERMISSION_DENIED: () => 'ask with a token or certificate that may, or have the policy file changed',
  ABORTED: () => 'something else was faster: look at `perigee status`, and decide anew',
  CANCELLED: () => 'what was already acknowledged stays',
}
