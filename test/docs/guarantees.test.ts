import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)

it('every promise in docs/guarantees.md names a test that exists', async () => {
  const page = await readFile(new URL('docs/guarantees.md', root), 'utf8')
  const rows = [...page.matchAll(/^\| (.+) \| \[(.+)\]\(\.\.\/(.+)\): (.+) \|$/gm)]
  expect(rows.length).toBeGreaterThan(30)
  for (const [, promise, shown, file, title] of rows) {
    expect(shown, promise).toBe(file)
    expect(await readFile(new URL(file ?? '', root), 'utf8'), promise).toContain(title)
  }
})
