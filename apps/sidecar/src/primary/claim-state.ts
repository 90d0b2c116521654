import { formatPosition, type Position } from '@perigee/core'

/** What this sidecar knows of its data Redis's right to take writes. */
export type ClaimState =
  /** The Redis can't be asked. */
  | { readonly kind: 'unreachable'; readonly why: string }
  /** The Redis follows another. */
  | { readonly kind: 'replica' }
  /** The Redis is a master, but another one is to be the primary. */
  | { readonly kind: 'not-chosen'; readonly chosen: string }
  /** A newer sidecar has loaded a newer library; this one never claims beside it. */
  | { readonly kind: 'outdated'; readonly version: number }
  /** It may claim, but must not yet. */
  | { readonly kind: 'waiting'; readonly why: string }
  /** It may claim, but another region holds newer writes: it takes no writes and feeds no replica. */
  | { readonly kind: 'regressed'; readonly ahead: Ahead; readonly next: string }
  /** It was promoted while the old primary held more, and fetches that before it claims. */
  | { readonly kind: 'catching-up'; readonly ahead: Ahead }
  | { readonly kind: 'claimed'; readonly epoch: number }

/** The region that holds the newest writes, and how far it and this one are. */
export interface Ahead {
  readonly region: string
  readonly position: Position
  readonly own: Position
}

/** Whether two say the same. */
export function sameClaimState(a: ClaimState, b: ClaimState): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Why there is no claim, in words. */
export function whyNot(state: ClaimState): string {
  switch (state.kind) {
    case 'unreachable':
      return `its data Redis can't be reached: ${state.why}`
    case 'replica':
      return 'its data Redis is a replica'
    case 'not-chosen':
      return `${state.chosen} is to be the primary`
    case 'outdated':
      return `version ${state.version} of the functions is loaded: update this sidecar`
    case 'waiting':
      return state.why
    case 'regressed':
      return `its data Redis holds less than others: ${inWords(state.ahead)}; ${state.next}`
    case 'catching-up':
      return `its data Redis fetches what the old primary has more: ${inWords(state.ahead)}`
    case 'claimed':
      return 'it is claimed'
  }
}

/** What an operator is to know and to do of a Redis that is to be the primary and takes no writes; empty for any other. */
export function adviceOf(state: ClaimState): string {
  const stuck = ['waiting', 'regressed', 'catching-up', 'outdated'].includes(state.kind)
  return stuck ? whyNot(state) : ''
}

function inWords({ region, position, own }: Ahead): string {
  return `${region} holds writes up to ${formatPosition(position)}, this region up to ${formatPosition(own)}`
}
