import { lookup as systemLookup } from 'node:dns/promises'
import { Deadline } from './deadline.ts'
import { within } from './pause.ts'

type Lookup = (name: string) => Promise<readonly { readonly address: string }[]>

/**
 * The system's own lookup of names, hosts file included, one name at a time.
 *
 * The system looks up in one of the few threads that files and ciphers need as well, and can't be bounded: while DNS is
 * silent each lookup would hold a thread for many seconds. So there is never more than one, and who can't wait for it
 * goes without.
 */
export class SystemLookup {
  readonly #lookup: Lookup
  #free: Promise<unknown> = Promise.resolve()

  constructor(lookup: Lookup = (name) => systemLookup(name, { all: true })) {
    this.#lookup = lookup
  }

  /**
   * The addresses of a name; `undefined` when that takes longer than `timeoutMs`.
   *
   * @throws the system's own error, such as `ENOTFOUND`.
   */
  async hosts(name: string, timeoutMs: number): Promise<readonly string[] | undefined> {
    const deadline = Deadline.in(timeoutMs)
    const found = this.#free.then(async () => {
      if (deadline.passed) return undefined
      return (await this.#lookup(name)).map(({ address }) => address)
    })
    this.#free = found.catch(() => {})
    let error: unknown
    const hosts = await within(
      timeoutMs,
      found.catch((thrown) => {
        error = thrown
        return undefined
      }),
    )
    if (error) throw error
    return hosts
  }
}
