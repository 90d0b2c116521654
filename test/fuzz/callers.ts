import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Draw } from './draw.ts'
import { NAMESPACE } from './hints.ts'

/** A token, and whether who shows it may see what isn't the tenant's. */
export interface Caller {
  readonly token: string | undefined
  readonly seesAll: boolean
}

const POLICY = {
  principals: {
    operator: [{ namespaces: ['*'], actions: ['read', 'write', 'admin'] }],
    tenant: [{ namespaces: [`${NAMESPACE}*`], actions: ['read', 'write', 'admin'] }],
  },
}

const newToken = () => randomBytes(24).toString('base64url')

/** Who calls the sidecars of a stage, and the files by which these know them. */
export class Callers {
  /** The token of one who may do everything. */
  readonly operator: string
  readonly #tenant: string
  readonly #peer: string
  readonly #dir: string

  constructor() {
    const tokens = { operator: newToken(), tenant: newToken(), peer: newToken() }
    this.operator = tokens.operator
    this.#tenant = tokens.tenant
    this.#peer = tokens.peer
    this.#dir = mkdtempSync(join(tmpdir(), 'perigee-fuzz-'))
    const digest = (token: string) => createHash('sha256').update(token).digest('hex')
    const lines = (['operator', 'tenant'] as const).map((name) => `${name} sha256:${digest(tokens[name])}\n`)
    writeFileSync(join(this.#dir, 'tokens'), lines.join(''))
    writeFileSync(join(this.#dir, 'policy.json'), JSON.stringify(POLICY))
    writeFileSync(join(this.#dir, 'peer-token'), `${tokens.peer}\n`)
  }

  /** The sidecars' settings. */
  get settings(): Record<string, string> {
    return {
      PERIGEE_TOKENS_FILE: join(this.#dir, 'tokens'),
      PERIGEE_POLICY_FILE: join(this.#dir, 'policy.json'),
      PERIGEE_PEER_TOKEN_FILE: join(this.#dir, 'peer-token'),
    }
  }

  /** Mostly a tenant, or one who may do everything; now and then another sidecar, nobody, or one who guesses. */
  drawn(draw: Draw): Caller {
    const chosen = draw.fraction()
    if (chosen < 0.45) return { token: this.#tenant, seesAll: false }
    if (chosen < 0.8) return { token: this.operator, seesAll: true }
    if (chosen < 0.95) return { token: this.#peer, seesAll: true }
    const guess = draw.text().replace(/[^\x20-\x7e]/g, '')
    return { token: draw.chance(0.5) ? undefined : guess, seesAll: false }
  }

  removeFiles(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
