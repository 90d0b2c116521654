import type { Action } from './method-access.ts'

/** What a principal may do just now. */
export interface Rights {
  /** Whether it may do that in one namespace. */
  may(action: Action, namespace: string): boolean
  /** Whether it may do that in every namespace, those to come too. */
  mayEverywhere(action: Action): boolean
  /** Whether it may do anything at all in a namespace, and so may know of it. */
  sees(namespace: string): boolean
}

/** Everything. */
export const ALL_RIGHTS: Rights = { may: () => true, mayEverywhere: () => true, sees: () => true }

/** Nothing. */
export const NO_RIGHTS: Rights = { may: () => false, mayEverywhere: () => false, sees: () => false }
