import pc from 'picocolors'
import { describe, expect, it } from 'vitest'
import { renderFacts, renderTable } from './table.ts'

const plain = pc.createColors(false)

describe('tables', () => {
  it('stand in columns under their headings, numbers to the right', () => {
    const table = renderTable(
      [{ head: 'REGION' }, { head: 'LAG', right: true }, { head: 'STATE' }],
      [
        ['us-east-1', '-', 'serving'],
        ['ap', '105 ms', 'stale'],
      ],
      plain,
    )
    expect(table.split('\n')).toEqual([
      'REGION        LAG  STATE',
      'us-east-1       -  serving',
      'ap         105 ms  stale',
    ])
  })

  it('measure texts without their colours', () => {
    const colored = pc.createColors(true)
    const table = renderTable([{ head: 'A' }, { head: 'B' }], [[colored.red('x'), 'y']], plain)
    expect(table.split('\n')[1]).toBe(`${colored.red('x')}  y`)
  })

  it('list facts by name', () => {
    expect(
      renderFacts(
        [
          ['a', '1'],
          ['long', '2'],
        ],
        plain,
      ),
    ).toBe('a     1\nlong  2')
  })
})
