import { describe, expect, it } from 'vitest'
import { split } from './chunker.ts'

const sentence =
  'A replica answers reads from its own state, however far away the primary is, and says how old that is.'

describe('split', () => {
  it('gives each section the headings above it', () => {
    const passages = split(
      `# Guide\n\n${sentence}\n\n## Reads\n\n${sentence}\n\n### Stale\n\n${sentence}\n\n## Writes\n\n${sentence}`,
    )
    expect(passages.map((passage) => passage.headings)).toEqual([
      ['Guide'],
      ['Guide', 'Reads'],
      ['Guide', 'Reads', 'Stale'],
      ['Guide', 'Writes'],
    ])
  })

  it('knows headings that are underlined, and those written as HTML', () => {
    const passages = split(
      `Guide\n=====\n\nReads\n-----\n\n${sentence}\n\n<h2 align="center">Writes</h2>\n\n${sentence}`,
    )
    expect(passages.map((passage) => passage.headings)).toEqual([
      ['Guide', 'Reads'],
      ['Guide', 'Writes'],
    ])
  })

  it('takes a # in a code block for what it is', () => {
    const passages = split(
      `# Setup\n\n\`\`\`sh\n# not a heading, but a comment that explains the command below\nnpm install ioredis@5 --save-exact --workspace packages/sdk\n\`\`\``,
    )
    expect(passages).toHaveLength(1)
    expect(passages[0]?.headings).toEqual(['Setup'])
    expect(passages[0]?.text).toContain('# not a heading')
    expect(passages[0]?.text).not.toContain('```')
  })

  it('leaves out badges, images, comments, front matter, HTML and link targets', () => {
    const passages = split(
      `---\nlayout: home\n---\n# A\n\n[![build](https://x/b.svg)](https://x)\n<!-- toc\n- a\n-->\n<p align="center">\n  <img src="a.png">\n</p>\n\nRead **the** [guide](https://x/guide) first. ${sentence}\n\n[guide]: https://x/guide`,
    )
    expect(passages).toEqual([{ headings: ['A'], text: `Read the guide first. ${sentence}` }])
  })

  it('loses no sentence of a long section, and keeps every passage within the limit', () => {
    const sentences = Array.from({ length: 60 }, (_, i) => `Sentence number ${i}. ${sentence}`)
    const passages = split(
      `# Long\n\n${sentences.slice(0, 20).join('\n\n')}\n\n${sentences.slice(20).join(' ')}`,
    )
    expect(Math.max(...passages.map((passage) => passage.text.length))).toBeLessThan(800)
    const all = passages
      .map((passage) => passage.text)
      .join(' ')
      .replaceAll(/\s+/g, ' ')
    for (const one of sentences) expect(all).toContain(one)
  })

  it('leaves out sections that say next to nothing', () => {
    expect(split('# Thing\n\nMIT\n\n## Install\n\nnpm i thing\n')).toEqual([])
  })
})
