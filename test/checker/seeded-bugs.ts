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
        from: 'if (!missing) return { response: this.#sealed(read, answer, clusterId) }',
        to: 'return { response: this.#sealed(read, answer, clusterId) }',
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
]

/** @throws Error naming those that there are. */
export function seededBug(name: string): SeededBug {
  const bug = SEEDED_BUGS.find((one) => one.name === name)
  if (bug) return bug
  throw new Error(`there is no seeded bug ${name}; there are ${SEEDED_BUGS.map((b) => b.name).join(', ')}`)
}
