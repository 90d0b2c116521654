/** Who a caller is, decided once per call, or once per stream of many calls. */
export interface Principal {
  /** Empty for nobody in particular; see {@link isPrincipalName}. */
  readonly name: string
  /** How it was found out. `peer`: another sidecar, or a caller that another sidecar has checked. */
  readonly kind: 'anonymous' | 'token' | 'jwt' | 'certificate' | 'peer'
}

/** Whoever calls a sidecar that asks nobody who they are. */
export const ANONYMOUS: Principal = Object.freeze({ name: '', kind: 'anonymous' })

const NAME_LENGTH_MAX = 256

/** Whether a text may be a principal's name: 1 to 256 characters, none of them for control. */
export function isPrincipalName(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH_MAX) return false
  return name.isWellFormed() && !/\p{Cc}/u.test(name)
}
