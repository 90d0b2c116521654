/** What this sidecar knows of its data Redis's right to take writes. */
export type ClaimState =
  /** The Redis can't be asked. */
  | { readonly kind: 'unreachable'; readonly why: string }
  /** The Redis follows another. */
  | { readonly kind: 'replica' }
  /** The Redis is a master, but the configuration names another region. */
  | { readonly kind: 'not-chosen' }
  /** A newer sidecar has loaded a newer library; this one never claims beside it. */
  | { readonly kind: 'outdated'; readonly version: number }
  /** It may claim, but must not yet. */
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'claimed'; readonly epoch: number }

/** Whether two say the same. */
export function sameClaimState(a: ClaimState, b: ClaimState): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
