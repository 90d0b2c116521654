/** A filter's expression over conditions, negations already at the conditions. */
export type Expression =
  | { readonly kind: 'all' | 'any'; readonly parts: readonly Expression[] }
  /** A condition, or its negation, in the query language. */
  | { readonly kind: 'literal'; readonly text: string }

/** `all`: every clause must hold, by one of its literals. `any`: one clause must hold, by all its literals. */
export interface NormalForm {
  readonly kind: 'all' | 'any'
  readonly clauses: readonly (readonly string[])[]
}

/**
 * The smaller of an expression's two normal forms, a conjunction of disjunctions or a disjunction of conjunctions;
 * `undefined` when both have more than `literalsMax` literals.
 */
export function normalForm(expression: Expression, literalsMax: number): NormalForm | undefined {
  const forms = (['all', 'any'] as const).flatMap((kind) => {
    const clauses = clausesOf(expression, kind, literalsMax)
    return clauses ? [{ kind, clauses }] : []
  })
  return forms.sort((a, b) => literals(a.clauses) - literals(b.clauses))[0]
}

type Clauses = NormalForm['clauses']

/** The clauses of one of the forms; `undefined` when they have more than `literalsMax` literals. */
export function clausesOf(
  expression: Expression,
  outer: NormalForm['kind'],
  literalsMax: number,
): Clauses | undefined {
  if (expression.kind === 'literal') return [[expression.text]]
  let sum: Clauses | undefined
  for (const part of expression.parts) {
    const clauses = clausesOf(part, outer, literalsMax)
    if (!clauses) return undefined
    if (!sum) sum = clauses
    else if (expression.kind === outer) sum = [...sum, ...clauses]
    else if (sum.length * clauses.length > literalsMax) return undefined
    else sum = sum.flatMap((a) => clauses.map((b) => [...new Set([...a, ...b])]))
    if (literals(sum) > literalsMax) return undefined
  }
  return sum
}

function literals(clauses: Clauses): number {
  return clauses.reduce((sum, clause) => sum + clause.length, 0)
}
