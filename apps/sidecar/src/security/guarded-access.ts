import type { DescMethod } from '@bufbuild/protobuf'
import { refusal, type StatusError } from '../status-error.ts'
import type { Access } from './access.ts'
import type { Authenticator } from './authenticator.ts'
import type { Caller } from './caller.ts'
import type { Identity } from './identity.ts'
import { type Action, accessOf } from './method-access.ts'
import type { Policy } from './policy.ts'
import type { Principal } from './principal.ts'
import { ALL_RIGHTS, type Rights } from './rights.ts'

export interface GuardedAccessOptions {
  readonly authenticator: Authenticator
  /** None: whoever is known may do everything. */
  readonly policy: (() => Policy) | undefined
}

/** Lets in who can show who they are, and to what the policy gives them. */
export class GuardedAccess implements Access {
  readonly #options: GuardedAccessOptions
  readonly #listeners = new Set<() => void>()

  constructor(options: GuardedAccessOptions) {
    this.#options = options
  }

  identify(caller: Caller): Identity | Promise<Identity> {
    return this.#options.authenticator.identify(caller)
  }

  checkStill(identity: Identity): void {
    this.#options.authenticator.checkStill(identity)
  }

  check(principal: Principal, method: DescMethod, request: unknown): void {
    const access = accessOf(method)
    switch (access.scope) {
      case 'anyone':
      case 'calls':
        return
      case 'peers':
        if (principal.kind === 'peer') return
        throw notAllowed(`${method.name} is for other sidecars alone`)
      case 'cluster':
        if (this.rightsOf(principal).mayEverywhere(access.action)) return
        throw notAllowed(`${toldAs(principal)} may not ${VERBS[access.action]} the whole cluster`)
      case 'namespace': {
        const { namespace } = request as { namespace: string }
        if (this.rightsOf(principal).may(access.action, namespace)) return
        throw notAllowed(`${toldAs(principal)} may not ${VERBS[access.action]} this namespace`)
      }
      default:
        throw notAllowed(`${method.name} may be called by nobody here`)
    }
  }

  rightsOf(principal: Principal): Rights {
    const { policy } = this.#options
    if (!policy || principal.kind === 'peer') return ALL_RIGHTS
    return policy().rightsOf(principal.name)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tokens or rights have changed. */
  changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

const VERBS: Readonly<Record<Action, string>> = { read: 'read', write: 'write to', admin: 'administer' }

function toldAs({ name }: Principal): string {
  return name === '' ? 'Whoever is not known' : JSON.stringify(name)
}

function notAllowed(why: string): StatusError {
  return refusal(
    'NOT_ALLOWED',
    `${why}. Use a token or certificate that may, or have the policy file changed.`,
  )
}
