import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Expression, normalForm } from './normal-form.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

const literal = fc.constantFrom(...NAMES).map((text): Expression => ({ kind: 'literal', text }))
const { expression } = fc.letrec<{ expression: Expression; group: Expression }>((tie) => ({
  expression: fc.oneof({ maxDepth: 4 }, literal, tie('group')),
  group: fc
    .tuple(
      fc.constantFrom('all' as const, 'any' as const),
      fc.array(tie('expression'), { minLength: 1, maxLength: 4 }),
    )
    .map(([kind, parts]): Expression => ({ kind, parts })),
}))

function holds(e: Expression, truths: ReadonlySet<string>): boolean {
  if (e.kind === 'literal') return truths.has(e.text)
  return e.kind === 'all' ? e.parts.every((p) => holds(p, truths)) : e.parts.some((p) => holds(p, truths))
}

it('means what the expression means, whatever holds', () => {
  fc.assert(
    fc.property(expression, fc.subarray(NAMES), (e, true_) => {
      const truths = new Set(true_)
      const form = normalForm(e, 10_000)
      if (!form) return true
      const { kind, clauses } = form
      const held =
        kind === 'all'
          ? clauses.every((clause) => clause.some((l) => truths.has(l)))
          : clauses.some((clause) => clause.every((l) => truths.has(l)))
      return held === holds(e, truths)
    }),
    { numRuns: 2000 },
  )
})

it('takes the smaller form: ten alternatives of two conditions stay ten clauses', () => {
  const parts = Array.from(
    { length: 10 },
    (_, i): Expression => ({
      kind: 'all',
      parts: [
        { kind: 'literal', text: `x${i}` },
        { kind: 'literal', text: `y${i}` },
      ],
    }),
  )
  expect(normalForm({ kind: 'any', parts }, 2048)).toMatchObject({ kind: 'any', clauses: { length: 10 } })
})

it('gives up what is too large either way', () => {
  const alternate = (depth: number, kind: 'all' | 'any'): Expression =>
    depth === 0
      ? { kind: 'literal', text: String(Math.random()) }
      : {
          kind,
          parts: [
            alternate(depth - 1, kind === 'all' ? 'any' : 'all'),
            alternate(depth - 1, kind === 'all' ? 'any' : 'all'),
          ],
        }
  expect(normalForm(alternate(7, 'all'), 2048)).toBeUndefined()
})
