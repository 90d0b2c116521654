import type { Replacement } from '../support/sidecar-variant.ts'
import type { FaultName } from './nemesis.ts'
import type { ViolationKind } from './violation.ts'

/** A mistake that could be made, and the run in which the checker must find it. */
export interface SeededBug {
  readonly name: string
  /** What is wrong, in words. */
  readonly what: string
  readonly replacements: readonly Replacement[]
  /** What reveals it. */
  readonly faults: FaultName
  readonly ops: number
  /** Default 64. With fewer, what was lost is overwritten later. */
  readonly sessions?: number
  readonly replicated?: number
  /** Violations of these kinds, at least one, show that it was found. */
  readonly shows: readonly ViolationKind[]
}

const SESSION_KINDS: readonly ViolationKind[] = [
  'read-your-writes',
  'monotonic-reads',
  'monotonic-writes',
  'writes-follow-reads',
  'one-order',
]

/** Each is one change of the source, found in the run that it is given. */
export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: 'no-wait',
    what: 'a replica answers without waiting for what the session has seen',
    replacements: [
      {
        package: 'sidecar',
        file: 'services/regional-read-path.ts',
        from: 'if (!missing) return { response: this.#sealed(read, answer, applied.clusterId) }',
        to: 'return { response: this.#sealed(read, answer, applied.clusterId) }',
      },
    ],
    faults: 'none',
    ops: 2_000,
    shows: SESSION_KINDS,
  },
  {
    name: 'unchecked-frames',
    what: 'the Gets of a frame are answered without a look at their sessions',
    replacements: [
      {
        package: 'sidecar',
        file: 'multiplex/get-group.ts',
        from: 'covered = includes(state, session)',
        to: 'covered = true',
      },
    ],
    faults: 'none',
    ops: 2_000,
    shows: SESSION_KINDS,
  },
  {
    name: 'late-token',
    what: "a session's token is overwritten by an answer that comes late",
    replacements: [
      {
        package: 'sdk',
        file: 'seen.ts',
        from: 'this.#move(rest ? mergeTokens(rest, seen) : seen)',
        to: 'this.#move(seen)',
      },
    ],
    faults: 'none',
    ops: 4_000,
    shows: SESSION_KINDS,
  },
  {
    name: 'data-position',
    what: "a search checks the data's position instead of the index's",
    replacements: [
      {
        package: 'sidecar',
        file: 'services/search/index-lookup.ts',
        from: 'return { response: answer.response, ...(found.alias ? both(lookup, answer.at) : answer.at) }',
        to: 'return { response: answer.response, ...(await atClock(data, await data.clock({ primary }))) }',
      },
    ],
    faults: 'none',
    ops: 4_000,
    shows: SESSION_KINDS,
  },
  {
    name: 'plain-pairs',
    what: 'positions are compared as plain pairs, as if a later epoch held all that an earlier one had',
    replacements: [
      {
        package: 'core',
        file: 'forks.ts',
        from: "return kept !== undefined && wanted.seq <= kept ? 'included' : 'lost'",
        to: "return 'included'",
      },
    ],
    faults: 'lost-tail',
    ops: 20_000,
    shows: ['loss-not-told'],
  },
  {
    name: 'epoch-twice',
    what: 'the epoch of the claim before is issued once more',
    replacements: [
      {
        package: 'sidecar',
        file: 'primary/epoch.ts',
        from: 'if (epoch > known) return epoch',
        to: 'return known > 0 ? known : epoch',
      },
      {
        package: 'sidecar',
        file: 'redis/functions/claim.lua',
        from: 'if old_epoch and epoch <= old_epoch then',
        to: 'if old_epoch and epoch < old_epoch then',
      },
      {
        package: 'sidecar',
        file: 'redis/functions/claim.lua',
        from: "append(keys[2], args[5], position, 'claim', '', '', newest_of(keys[2]))",
        to: "if epoch ~= old_epoch then append(keys[2], args[5], position, 'claim', '', '', newest_of(keys[2])) end",
      },
    ],
    faults: 'lost-tail',
    ops: 20_000,
    shows: ['position-given-twice', 'epoch-claimed-twice', 'two-writers'],
  },
  {
    name: 'no-lease',
    what: 'a claim has no end',
    replacements: [
      {
        package: 'sidecar',
        file: 'redis/functions/prelude.lua',
        from: "if us >= claim.lease_end_us then return 'FENCED the claim\\'s lease ran out' end",
        to: '',
      },
      {
        package: 'sidecar',
        file: 'primary/claim.ts',
        from: "this.#state.kind === 'claimed' && this.#lease.leftMs > 0",
        to: "this.#state.kind === 'claimed'",
      },
    ],
    faults: 'cut-off',
    ops: 20_000,
    shows: ['two-writers'],
  },
  {
    name: 'queued-renewal',
    what: 'a renewal that waited in a paused Redis revives the lease',
    replacements: [
      {
        package: 'sidecar',
        file: 'redis/functions/renew.lua',
        from: 'if why then return redis.error_reply(why) end',
        to: '',
      },
      {
        package: 'sidecar',
        file: 'redis/functions/renew.lua',
        from: 'claim.lease_end_us = math.max(claim.lease_end_us, tonumber(args[2]))',
        to: 'claim.lease_end_us = us + tonumber(args[2]) - tonumber(args[3])',
      },
    ],
    faults: 'freeze',
    ops: 20_000,
    shows: ['two-writers'],
  },
  {
    name: 'forks-ignored',
    what: 'a follower goes on from a checkpoint that a fork took back',
    replacements: [
      {
        package: 'sidecar',
        file: 'follower/situation.ts',
        from: `if (coverage === 'lost') return 'rolled-back'
  if (coverage !== 'included') return 'data-behind'
  const [first] = batch.entries
  const before = first ? first.previous : batch.newest
  return samePosition(before, checkpoint.log) ? 'follow' : 'gap'`,
        to: "return coverage === 'behind' ? 'data-behind' : 'follow'",
      },
    ],
    faults: 'lost-tail',
    ops: 4_000,
    sessions: 6,
    shows: ['index-not-the-fold', 'loss-not-told'],
  },
  {
    name: 'newer-copies-kept',
    what: 'a repair skips copies that are newer than the surviving chunk',
    replacements: [
      {
        package: 'sidecar',
        file: 'follower/repair-scan.ts',
        from: '(versions[i] ?? false) !== wanted[i]',
        to: "(versions[i] ?? false) !== wanted[i] && !(Number(versions[i]?.split('-')[1]) > Number(String(wanted[i]).split('-')[1]))",
      },
    ],
    faults: 'lost-tail',
    ops: 4_000,
    sessions: 6,
    shows: ['index-not-the-fold', 'loss-not-told'],
  },
  {
    name: 'late-twin',
    what: 'a write that is tried again is done again',
    replacements: [
      {
        package: 'sidecar',
        file: 'redis/functions/prelude.lua',
        from: `if first then
    local first_body`,
        to: `if false then
    local first_body`,
      },
    ],
    faults: 'none',
    ops: 6_000,
    shows: ['write-done-twice'],
  },
  {
    name: 'wait-elsewhere',
    what: 'WAIT is asked on another connection than the one that wrote',
    replacements: [
      {
        package: 'sidecar',
        file: 'primary/replicated-writes.ts',
        from: 'lanes.map((library) => new Lane({ library, keys, replicas }))',
        to: 'lanes.slice(1).map((library) => Object.assign(new Lane({ library, keys, replicas }), { other: lanes[0] }))',
      },
      {
        package: 'sidecar',
        file: 'primary/replicated-writes.ts',
        from: "connection.call('WAIT',",
        to: "this['other'].connection.call('WAIT',",
      },
    ],
    faults: 'lost-tail',
    ops: 20_000,
    replicated: 0.2,
    shows: ['acknowledged-write-lost'],
  },
]

/** @throws Error naming those that there are. */
export function seededBug(name: string): SeededBug {
  const bug = SEEDED_BUGS.find((one) => one.name === name)
  if (bug) return bug
  throw new Error(`there is no seeded bug ${name}; there are ${SEEDED_BUGS.map((b) => b.name).join(', ')}`)
}
