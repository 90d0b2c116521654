import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddingCache } from './embedding-cache.ts'

const dimensions = 4
const recordBytes = 32 + dimensions * 4

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perigee-embeddings-'))
  file = join(folder, 'below', 'vectors.bin')
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => EmbeddingCache.open(file, { dimensions })
const unit = (i: number) => Float32Array.from({ length: dimensions }, (_, j) => (i === j ? 1 : 0))

describe('EmbeddingCache', () => {
  it('gives back after a restart what was saved', async () => {
    const first = await open()
    first.set('one', unit(0))
    await first.save()
    first.set('two', unit(1))
    await first.save()
    const second = await open()
    expect(second.get('one')).toEqual(unit(0))
    expect(second.get('two')).toEqual(unit(1))
    expect(second.get('three')).toBeUndefined()
    expect((await stat(file)).size).toBe(2 * recordBytes)
  })

  it('goes on after a record that a crash cut short', async () => {
    const first = await open()
    first.set('one', unit(0))
    await first.save()
    await appendFile(file, Buffer.alloc(recordBytes - 3, 7))
    const second = await open()
    second.set('two', unit(1))
    await second.save()
    const third = await open()
    expect(third.get('one')).toEqual(unit(0))
    expect(third.get('two')).toEqual(unit(1))
  })

  it('ignores a vector that is no embedding', async () => {
    const first = await open()
    first.set('one', Float32Array.from([0.1, 0, 0, 0]))
    first.set('two', unit(1))
    await first.save()
    const second = await open()
    expect(second.get('one')).toBeUndefined()
    expect(second.get('two')).toEqual(unit(1))
  })

  it('forgets texts that are long gone, and those only', async () => {
    const cache = await open()
    for (const text of ['one', 'two', 'three']) cache.set(text, unit(1))
    await cache.keepOnly(['one', 'two'])
    expect((await stat(file)).size).toBe(3 * recordBytes)
    await cache.keepOnly(['two'])
    expect((await stat(file)).size).toBe(recordBytes)
    expect((await open()).get('two')).toEqual(unit(1))
  })
})
