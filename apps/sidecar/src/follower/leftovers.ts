import type { CopyChange, CopyWriter } from '../redis/copy-writer.ts'
import type { Catalogue } from './catalogue.ts'

/** What indexes that are gone have left in the index Redis; removed a little at a time, with the follower's own commits. */
export class Leftovers {
  readonly #copies: CopyWriter
  readonly #catalogue: Catalogue
  #uids: string[] | undefined

  constructor({ copies, catalogue }: { copies: CopyWriter; catalogue: Catalogue }) {
    this.#copies = copies
    this.#catalogue = catalogue
  }

  /** Whether they were looked for. */
  get known(): boolean {
    return this.#uids !== undefined
  }

  /** Looks for them anew the next time: indexes may have gone, or come back. */
  forget(): void {
    this.#uids = undefined
  }

  /** Some copies to remove, none when nothing is left over. */
  async next(count: number): Promise<CopyChange[]> {
    if (!this.#uids) {
      this.#uids = await this.#copies.indexesWithCopies()
      await this.#catalogue.dropOthers()
    }
    const { definitions } = this.#catalogue
    const indexUid = this.#uids.find((uid) => !definitions.has(uid))
    if (indexUid === undefined) return []
    const ids = await this.#copies.ids(indexUid, undefined, count)
    const changes: CopyChange[] = ids.map((id) => ({ kind: 'remove', indexUid, id }))
    if (ids.length === count) return changes
    this.#uids = this.#uids.filter((uid) => uid !== indexUid)
    return [...changes, { kind: 'forget', indexUid }]
  }
}
