import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

const page = new URL('../../docs/guarantees.md', import.meta.url)
const text = await readFile(page, 'utf8')
const rows = text.split('\n').filter((line) => line.startsWith('| **'))

/** Every linked test with the parts of titles quoted behind it. */
function citations(row: string): { file: string; titles: string[] }[] {
  return [...row.matchAll(/\]\((\.\.\/[^)]+\.ts)\): ((?:"[^"]+"(?:, )?)+)/g)].map(([, file, titles]) => ({
    file: file ?? '',
    titles: [...(titles ?? '').matchAll(/"([^"]+)"/g)].map(([, title]) => title ?? ''),
  }))
}

describe('the page of guarantees', () => {
  it('has promises', () => {
    expect(rows.length).toBeGreaterThan(10)
  })

  it.each(rows.map((row) => [/\*\*(.+?)\*\*/.exec(row)?.[1] ?? row, row]))(
    'names tests that exist for: %s',
    async (_, row) => {
      const cited = citations(row)
      expect(cited).not.toEqual([])
      for (const { file, titles } of cited) {
        const source = await readFile(new URL(file, page), 'utf8')
        for (const title of titles) expect(source, file).toContain(title)
      }
    },
  )
})
