import type { Found, Operation } from './history.ts'

const WORDS = { set: 'wrote', upsert: 'upserted', get: 'read', search: 'searched for' } as const

/** One call, as a person would tell it. */
export function operationInWords(operation: Operation): string {
  const { id, session, kind, item, value, region, start, end } = operation
  const what = value === undefined ? item : `${item} = ${value}`
  const when = `${Math.round(start.ms)}–${Math.round(end.ms)} ms`
  return `call ${id}: session ${session} in ${region} ${WORDS[kind]} ${what} (${when}): ${outcomeInWords(operation)}`
}

function outcomeInWords({ outcome, value }: Operation): string {
  if (outcome.kind !== 'ok') {
    const certainty = outcome.kind === 'fail' ? 'failed' : 'ended unknown'
    return `${certainty} with ${outcome.reason ?? outcome.code}`
  }
  const by = ` by ${outcome.answeredBy}`
  if (value !== undefined) return `acknowledged${by}${outcome.at ? ` at ${outcome.at}` : ''}`
  return `answered${by}: ${outcome.found.map(foundInWords).join(', ') || 'nothing'}`
}

export function foundInWords({ item, value, at }: Found): string {
  return value === undefined ? `no ${item}` : `${item} = ${value} at ${at}`
}
