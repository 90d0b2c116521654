import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import {
  chunk,
  createIndex,
  getVersions,
  listVersions,
  MODEL,
  vectorMessage,
  vectorOf,
} from '../support/chunks.ts'
import { bytes, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import type { SentinelRegions } from './sentinel-regions.ts'

const NAMESPACE = 'forced'
const INDEX = 'docs'
const KEYS = Array.from({ length: 20 }, (_, i) => `key-${i}`)
/** Those that the old primary writes, overwrites and deletes while nobody follows it. */
const NEW = ['new-1', 'new-2', 'new-3']
const OVERWRITTEN = KEYS.slice(0, 5)
const DELETED = KEYS.slice(5, 8)
const patient = { timeoutMs: 60_000, everyMs: 100 }

const LOST = { status: 'DATA_LOSS', details: { reason: 'LOST_HISTORY' } }

/** Entries and chunks that all regions hold, and later ones of the primary that no other gets. */
export class LostWrites {
  readonly #regions: SentinelRegions
  /** Of a session that has seen nothing that is lost. */
  kept: Uint8Array = bytes('')
  /** Of sessions that have: one each, by an entry, a chunk and a deletion. */
  lost: readonly Uint8Array[] = []

  constructor(regions: SentinelRegions) {
    this.#regions = regions
  }

  /** Writes what all regions are to hold. */
  async writeKept(primary: string): Promise<void> {
    const { cache, search } = this.#regions.client(primary)
    await createIndex(this.#regions.client(primary), NAMESPACE, { name: INDEX })
    for (const key of KEYS) await cache.set({ namespace: NAMESPACE, key, value: bytes(`${key} kept`) })
    const chunks = KEYS.map((id) => chunk(id, { text: `${id} kept` }))
    const { receipt } = await search.upsertChunks({ ...this.#index, chunks })
    this.kept = receipt?.sessionToken ?? bytes('')
    await this.allAgree()
  }

  /** Writes what is to be lost: the primary's links are cut. */
  async writeLost(primary: string): Promise<void> {
    const { cache, search } = this.#regions.client(primary)
    const quick = { timeoutMs: 1500 }
    const tokens: (Uint8Array | undefined)[] = []
    const names = [...NEW, ...OVERWRITTEN]
    const chunks = names.map((id) => chunk(id, { text: `${id} lost` }))
    tokens.push((await search.upsertChunks({ ...this.#index, chunks }, quick)).receipt?.sessionToken)
    const selection = { case: 'ids' as const, value: { values: DELETED } }
    tokens.push((await search.deleteChunks({ ...this.#of, selection }, quick)).receipt?.sessionToken)
    for (const key of names) {
      const { receipt } = await cache.set({ namespace: NAMESPACE, key, value: bytes(`${key} lost`) }, quick)
      tokens.push(receipt?.sessionToken)
    }
    this.lost = tokens.filter((token) => token !== undefined)
  }

  /** Each session that saw them is told in these regions, whatever it does; the others go on. */
  async isTold(regions: readonly string[]): Promise<void> {
    for (const region of regions) {
      const { cache, search } = this.#regions.client(region)
      const wait = { maxWait: { seconds: 2n } }
      for (const sessionToken of this.lost) {
        const options = { sessionToken, ...wait }
        const vector = vectorMessage(vectorOf('anything'))
        await expect(cache.get({ namespace: NAMESPACE, key: 'any', options })).rejects.toMatchObject(LOST)
        await expect(search.search({ ...this.#index, vector, k: 1, options })).rejects.toMatchObject(LOST)
        const write = { namespace: NAMESPACE, key: `refused-${region}`, options: { sessionToken } }
        await expect(cache.set(write)).rejects.toMatchObject(LOST)
      }
      const options = { sessionToken: this.kept, ...wait }
      const got = await cache.get({ namespace: NAMESPACE, key: 'key-0', options })
      expect(text(got.entry?.value)).toBe('key-0 kept')
      const vector = vectorMessage(vectorOf('key-0 kept'))
      const found = await search.search({ ...this.#index, vector, k: 1, options })
      expect(found.hits.map((hit) => hit.chunk?.text)).toEqual(['key-0 kept'])
      await cache.set({
        namespace: NAMESPACE,
        key: `goes-on-${region}`,
        options: { sessionToken: this.kept },
      })
    }
  }

  /** Asks these regions again and again, for a while: nothing that is lost is ever served. */
  async isNeverServed(regions: readonly string[], forMs: number): Promise<void> {
    const untilMs = performance.now() + forMs
    while (performance.now() < untilMs) {
      for (const region of regions) {
        const { cache, search } = this.#regions.client(region)
        for (const key of [...NEW, ...OVERWRITTEN]) {
          const { entry } = await cache.get({ namespace: NAMESPACE, key })
          expect(text(entry?.value)).toBe(NEW.includes(key) ? undefined : `${key} kept`)
          const vector = vectorMessage(vectorOf(`${key} lost`))
          const { hits } = await search.search({ ...this.#index, vector, k: 30 })
          const texts = hits.map((hit) => hit.chunk?.text)
          expect(texts.toSorted()).toEqual(KEYS.map((id) => `${id} kept`).toSorted())
        }
      }
      await pause(50)
    }
  }

  /** Until every region's index, by its own answer, holds exactly what its data Redis does. */
  async allAgree(): Promise<void> {
    for (const region of this.#regions.regions) {
      let state = ''
      const client = this.#regions.client(region)
      const agrees = async () => {
        const ids = [...KEYS, ...NEW]
        const truth = await getVersions(client, NAMESPACE, INDEX, ids)
        const { versions, regions: answered } = await listVersions(client, NAMESPACE, INDEX)
        const wrong = ids.filter((id) => truth.get(id) !== versions.get(id))
        state = `${wrong.length} differ of ${truth.size}, answered by ${[...answered]}`
        return wrong.length === 0 && truth.size === KEYS.length && [...answered].join() === region
      }
      await waitFor(`${region}'s index to be as its chunks are`, agrees, { ...patient, explain: () => state })
    }
  }

  get #of() {
    return { namespace: NAMESPACE, index: INDEX }
  }

  get #index() {
    return { ...this.#of, model: MODEL }
  }
}
