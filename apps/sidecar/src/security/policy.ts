import { z } from 'zod'
import { ACTIONS, type Action } from './method-access.ts'
import { isPrincipalName } from './principal.ts'
import { NO_RIGHTS, type Rights } from './rights.ts'
import { UnreadableFile } from './watched-file.ts'

const GRANT = z.strictObject({
  namespaces: z
    .array(z.string().regex(/^([a-z0-9-]{1,63}|[a-z0-9-]{0,62}\*)$/, 'must be a namespace, PREFIX* or *'))
    .min(1),
  actions: z.array(z.enum(ACTIONS)).min(1),
})

const POLICY = z.strictObject({
  principals: z.record(z.string().refine(isPrincipalName, 'must be the name of a principal'), z.array(GRANT)),
})

type Grant = z.infer<typeof GRANT>

/** What each principal may do. Whoever it doesn't name may do nothing. */
export class Policy {
  readonly #rights: ReadonlyMap<string, Rights>

  constructor(principals: Readonly<Record<string, readonly Grant[]>>) {
    this.#rights = new Map(
      Object.entries(principals).map(([name, grants]) => [name, new GrantedRights(grants)]),
    )
  }

  /** Reads a policy file. @throws UnreadableFile */
  static parse(text: string): Policy {
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      throw new UnreadableFile('must be JSON')
    }
    const read = POLICY.safeParse(json)
    if (read.success) return new Policy(read.data.principals)
    const [issue] = read.error.issues
    throw new UnreadableFile(`${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  }

  rightsOf(name: string): Rights {
    return this.#rights.get(name) ?? NO_RIGHTS
  }
}

/** Namespaces by name and by what they begin with. */
class Namespaces {
  readonly #names = new Set<string>()
  readonly #prefixes: string[] = []

  add(pattern: string): void {
    if (pattern.endsWith('*')) this.#prefixes.push(pattern.slice(0, -1))
    else this.#names.add(pattern)
  }

  has(namespace: string): boolean {
    return this.#names.has(namespace) || this.#prefixes.some((prefix) => namespace.startsWith(prefix))
  }

  get hasAll(): boolean {
    return this.#prefixes.includes('')
  }
}

class GrantedRights implements Rights {
  readonly #granted: Readonly<Record<Action, Namespaces>> = {
    read: new Namespaces(),
    write: new Namespaces(),
    admin: new Namespaces(),
  }

  constructor(grants: readonly Grant[]) {
    for (const { namespaces, actions } of grants) {
      for (const action of actions) for (const pattern of namespaces) this.#granted[action].add(pattern)
    }
  }

  may(action: Action, namespace: string): boolean {
    return this.#granted[action].has(namespace)
  }

  mayEverywhere(action: Action): boolean {
    return this.#granted[action].hasAll
  }

  sees(namespace: string): boolean {
    return ACTIONS.some((action) => this.may(action, namespace))
  }
}
