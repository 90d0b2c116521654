import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { chunksMin, readCorpus } from './corpus.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

describe('readCorpus', () => {
  it('finds enough Markdown in what npm ci installs, every chunk with an id and a text of its own', async () => {
    const { chunks, packages } = await readCorpus(root)
    expect(chunks.length).toBeGreaterThanOrEqual(chunksMin)
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(chunks.length)
    expect(new Set(chunks.map((chunk) => chunk.text)).size).toBe(chunks.length)
    expect(packages).toBeGreaterThan(100)
    expect(chunks.map((chunk) => chunk.path).filter((path) => /licen[cs]e|changelog/i.test(path))).toEqual([])
  })

  it('gives the same chunks in the same order every time', async () => {
    expect(await readCorpus(root)).toEqual(await readCorpus(root))
  })

  it('says what to do when nothing is installed', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'perigee-corpus-'))
    try {
      await expect(readCorpus(empty)).rejects.toThrow('Run npm ci')
    } finally {
      await rm(empty, { recursive: true })
    }
  })
})
