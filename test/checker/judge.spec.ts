import { describe, expect, it } from 'vitest'
import { HandMade } from './hand-made.spec-support.ts'
import { judge } from './judge.ts'

/** The kinds of violations of a history, each as often as it occurs. */
function kindsOf(history: HandMade): string[] {
  return judge(history.history()).violations.map(({ kind }) => kind)
}

function textOf(history: HandMade): string {
  return judge(history.history())
    .violations.map(({ text }) => text)
    .join('\n')
}

describe('a session', () => {
  it('that sees its own writes and never goes back is clean, over entries and chunks', () => {
    const history = new HandMade()
      .set(1, 'a', 'a1', '1000-1')
      .get(1, 'a', 'a1', '1000-1')
      .upsert(1, 'c', 'c1', '1000-2')
      .search(1, 'c', 'c1', '1000-2')
      .set(2, 'a', 'a2', '1000-3')
      .get(1, 'a', 'a2', '1000-3')
      .get(1, 'b')
      .final('1000-3', [
        { item: 'entry:a', value: 'a2', at: '1000-3' },
        { item: 'chunk:c', value: 'c1', at: '1000-2' },
      ])
    expect(judge(history.history()).violations).toEqual([])
  })

  it('that misses its own write has read-your-writes broken, for entries and for chunks', () => {
    expect(kindsOf(new HandMade().set(1, 'a', 'a1', '1000-1').get(1, 'a'))).toEqual(['read-your-writes'])
    expect(kindsOf(new HandMade().upsert(1, 'c', 'c1', '1000-1').search(1, 'c'))).toEqual([
      'read-your-writes',
    ])
    const older = new HandMade()
      .set(2, 'a', 'a1', '1000-1')
      .set(1, 'a', 'a2', '1000-2')
      .get(1, 'a', 'a1', '1000-1')
    expect(kindsOf(older)).toEqual(['read-your-writes'])
    expect(textOf(older)).toContain('entry:a = a1 of 1000-1, but has in its past entry:a = a2 of 1000-2')
    expect(textOf(older)).toContain('call 1: session 1 in us wrote entry:a = a2')
  })

  it('that goes back has monotonic reads broken', () => {
    const back = new HandMade()
      .set(2, 'a', 'a1', '1000-1')
      .set(2, 'a', 'a2', '1000-2')
      .get(1, 'a', 'a2', '1000-2')
      .get(1, 'a', 'a1', '1000-1')
    expect(kindsOf(back)).toEqual(['monotonic-reads'])
  })

  it("that sees another's later write and not the earlier one has monotonic writes broken", () => {
    const history = new HandMade()
      .set(2, 'a', 'a1', '1000-1')
      .set(2, 'b', 'b1', '1000-2')
      .get(1, 'b', 'b1', '1000-2')
      .get(1, 'a')
    expect(kindsOf(history)).toEqual(['monotonic-writes'])
  })

  it('that sees a write and not what its writer had read has writes-follow-reads broken, from cache to search', () => {
    const history = new HandMade()
      .upsert(3, 'c', 'c1', '1000-1')
      .search(2, 'c', 'c1', '1000-1')
      .set(2, 'b', 'b1', '1000-2')
      .get(1, 'b', 'b1', '1000-2')
      .search(1, 'c')
    expect(kindsOf(history)).toEqual(['writes-follow-reads'])
  })

  it('that sees a later write and not an earlier one of nobody it knows has the one order broken', () => {
    const history = new HandMade()
      .set(3, 'a', 'a1', '1000-1')
      .set(2, 'b', 'b1', '1000-2')
      .get(1, 'b', 'b1', '1000-2')
      .get(1, 'a')
    expect(kindsOf(history)).toEqual(['one-order'])
  })

  it('whose own writes go backwards has monotonic writes broken, and there are two writers', () => {
    const history = new HandMade().set(1, 'a', 'a2', '1000-2').set(1, 'b', 'b1', '1000-1')
    expect(kindsOf(history)).toEqual(['monotonic-writes', 'two-writers'])
  })

  it('may be answered with anything by a call that was under way when it saw something newer', () => {
    const history = new HandMade()
      .set(2, 'a', 'a1', '1000-1')
      .set(2, 'a', 'a2', '1000-2')
      .get(1, 'a', 'a2', '1000-2', { start: { event: 10, ms: 10 }, end: { event: 12, ms: 12 } })
      .get(1, 'a', 'a1', '1000-1', { start: { event: 11, ms: 11 }, end: { event: 13, ms: 13 } })
    expect(kindsOf(history)).toEqual([])
  })

  it('may see a write whose outcome is unknown, or not; but once seen it stays', () => {
    const unknown = { kind: 'unknown', code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN' } as const
    const write = { kind: 'set', item: 'entry:a', value: 'a1' } as const
    expect(kindsOf(new HandMade().failed(1, unknown, write).get(1, 'a'))).toEqual([])
    expect(kindsOf(new HandMade().failed(1, unknown, write).get(1, 'a', 'a1', '1000-1'))).toEqual([])
    const seen = new HandMade().failed(1, unknown, write).get(2, 'a', 'a1', '1000-1').get(2, 'a')
    expect(kindsOf(seen)).toEqual(['monotonic-reads'])
  })
})

describe('values and positions', () => {
  it('tell of a position that is two writes', () => {
    const history = new HandMade().set(1, 'a', 'a1', '1000-1').get(2, 'b', 'b1', '1000-1')
    history.call('set', { session: 3, item: 'entry:b', value: 'b1', outcome: unknownOutcome })
    expect(kindsOf(history)).toEqual(['position-given-twice'])
  })

  it('tell of a write that was done twice: the late twin of a retry', () => {
    const history = new HandMade().set(1, 'a', 'a1', '1000-1').set(2, 'a', 'a2', '1000-2')
    history.get(3, 'a', 'a1', '1000-3')
    expect(kindsOf(history)).toEqual(['write-done-twice'])
  })

  it('tell of a value that nobody wrote, or wrote elsewhere', () => {
    expect(kindsOf(new HandMade().get(1, 'a', 'x', '1000-1'))).toEqual(['value-from-nowhere'])
    const elsewhere = new HandMade().set(1, 'a', 'a1', '1000-1').get(2, 'b', 'a1', '1000-1')
    expect(kindsOf(elsewhere)).toContain('write-done-twice')
  })

  it('tell of a write that failed for certain and was done', () => {
    const failed = { kind: 'set', item: 'entry:a', value: 'a1' } as const
    const history = new HandMade().failed(1, { reason: 'NO_PRIMARY' }, failed).get(2, 'a', 'a1', '1000-1')
    expect(kindsOf(history)).toEqual(['failed-write-done'])
  })

  it("tell of a store's positions that don't grow", () => {
    const source = 'a file'
    const history = new HandMade()
      .set(1, 'a', 'a1', '1000-2')
      .set(1, 'b', 'b1', '1000-3')
      .stored({ at: '1000-3', item: 'entry:b', value: 'b1', source })
      .stored({ at: '1000-2', item: 'entry:a', value: 'a1', source })
    expect(kindsOf(history)).toEqual(['position-given-twice'])
  })
})

describe('writers', () => {
  it('are two when an epoch takes writes in two regions', () => {
    const history = new HandMade().set(1, 'a', 'a1', '1000-1')
    history.set(2, 'b', 'b1', '1000-2', {
      outcome: { kind: 'ok', found: [], at: '1000-2', answeredBy: 'eu' },
    })
    expect(kindsOf(history)).toEqual(['two-writers'])
  })

  it('are two when an earlier epoch acknowledges after a later one', () => {
    const history = new HandMade().disturbed().claim(2000, '1000-5').set(1, 'a', 'a1', '2000-6')
    history.set(2, 'b', 'b1', '1000-7')
    expect(kindsOf(history)).toEqual(['two-writers'])
  })

  it('are two when an answer of an earlier epoch comes long after a later one began, though it was asked before', () => {
    const history = new HandMade().disturbed().claim(2000, '1000-5')
    history.set(1, 'a', 'a1', '1000-7', { start: { event: -1, ms: 0 }, end: { event: 9, ms: 9_000 } })
    history.set(2, 'b', 'b1', '2000-6', { end: { event: 3, ms: 3_000 } })
    expect(kindsOf(history)).toEqual(['two-writers'])
  })

  it('claim an epoch once', () => {
    const history = new HandMade().claim(2000, '1000-5').claim(2000, '1000-3')
    expect(kindsOf(history)).toEqual(['epoch-claimed-twice'])
  })
})

describe('after a failover that lost writes past 1000-1', () => {
  const failedOver = () => new HandMade().disturbed().claim(2000, '1000-1').set(1, 'a', 'a1', '1000-1')
  const atEnd = (history: HandMade) =>
    history.final(
      '2000-2',
      [
        { item: 'entry:a', value: 'a1', at: '1000-1' },
        { item: 'entry:b', value: 'b2', at: '2000-2' },
      ],
      { forks: [[1000, 1]] },
    )
  const lost = (survives: string) => ({ code: 'DATA_LOSS', reason: 'LOST_HISTORY', survives })

  it('what survived is seen on, and a session that is told of its loss goes on in a new life', () => {
    const history = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .failed(1, lost('2000-2'))
      .get(1, 'b', 'b2', '2000-2', { life: 1 })
      .get(1, 'a', 'a1', '1000-1', { life: 1 })
    const verdict = judge(atEnd(history).history())
    expect(verdict.violations).toEqual([])
    expect(verdict.lost).toBe(1)
  })

  it('a session that is answered from the new history without being told has its loss not told', () => {
    const history = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .get(1, 'b', 'b2', '2000-2')
    expect(kindsOf(atEnd(history))).toEqual(['loss-not-told'])
  })

  it('so has one whose write is taken though what it has seen is lost', () => {
    const history = failedOver().set(1, 'c', 'c1', '1000-2').set(1, 'b', 'b2', '2000-2')
    expect(kindsOf(atEnd(history))).toEqual(['loss-not-told'])
  })

  it('so has one that is answered at rest, whatever the answer', () => {
    const history = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .get(1, 'a', 'a1', '1000-1', { atRest: true })
    expect(kindsOf(atEnd(history))).toEqual(['loss-not-told'])
  })

  it('a write that was lost may be done again, once', () => {
    const lostAndDone = failedOver()
      .stored({ at: '1000-2', item: 'entry:b', value: 'b2' })
      .set(1, 'b', 'b2', '2000-2')
    expect(kindsOf(atEnd(lostAndDone))).toEqual([])
    const again = lostAndDone.stored({ at: '2000-3', item: 'entry:b', value: 'b2' })
    expect(kindsOf(again)).toEqual(['write-done-twice'])
  })

  it('a session that has seen what survives must see it after its loss as well', () => {
    const history = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .failed(1, lost('2000-2'))
      .get(1, 'a', undefined, undefined, { life: 1 })
    expect(kindsOf(atEnd(history))).toEqual(['read-your-writes'])
  })

  it('a call that was under way when its session accepted the loss may be answered from either side', () => {
    const during = { start: { event: 100, ms: 100 }, end: { event: 104, ms: 104 } }
    const told = { start: { event: 101, ms: 101 }, end: { event: 102, ms: 102 } }
    const history = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .failed(1, lost('2000-2'), told)
      .get(1, 'b', 'b2', '2000-2', during)
    expect(kindsOf(atEnd(history))).toEqual([])
    const stale = failedOver()
      .set(1, 'b', 'b1', '1000-2')
      .set(2, 'b', 'b2', '2000-2')
      .failed(1, lost('2000-2'), told)
      .get(1, 'a', undefined, undefined, during)
    expect(kindsOf(atEnd(stale))).toEqual(['read-your-writes'])
  })

  it('a lost write that stays in a store is found', () => {
    const history = failedOver().set(1, 'b', 'b1', '1000-2')
    history.final('2000-1', [{ item: 'entry:b', value: 'b1', at: '1000-2' }], { forks: [[1000, 1]] })
    expect(kindsOf(history)).toEqual(['acknowledged-write-lost', 'stores-differ', 'stores-differ'])
  })

  it('a replicated write that is lost is found', () => {
    const history = failedOver().set(1, 'b', 'b1', '1000-2', { replicated: true }).set(2, 'b', 'b2', '2000-2')
    expect(kindsOf(atEnd(history))).toEqual(['acknowledged-write-lost'])
  })

  it('a loss without a failure is found, and one that is told without a loss', () => {
    const silent = new HandMade().set(1, 'a', 'a1', '1000-1').set(1, 'a', 'a2', '1000-2')
    silent.final('1000-2', [{ item: 'entry:a', value: 'a1', at: '1000-1' }])
    expect(kindsOf(silent)).toEqual(['acknowledged-write-lost', 'stores-differ'])
    expect(kindsOf(new HandMade().failed(1, lost('1000-1')))).toEqual(['false-loss'])
  })

  it('an acknowledged write that no store ever held is found, by what its session had seen', () => {
    const history = new HandMade().call('upsert', {
      ...{ session: 1, item: 'chunk:c', value: 'c1' },
      outcome: { kind: 'ok', found: [], answeredBy: 'us', token: '1000-3' },
    })
    history.final('1000-4', [])
    expect(kindsOf(history)).toEqual(['acknowledged-write-lost'])
  })
})

describe('an index', () => {
  const written = () => new HandMade().upsert(1, 'c', 'c1', '1000-1').upsert(1, 'c', 'c2', '1000-3')
  const copy = (value?: string, at?: string) => [{ item: 'chunk:c', value, at }]

  it('that is the fold of the log is clean, at each position', () => {
    const history = written()
      .sample({ applied: '1000-0', copies: copy() })
      .sample({ applied: '1000-2', copies: copy('c1', '1000-1') })
      .sample({ applied: '1000-2', seen: '1000-3', copies: copy('c2', '1000-3') })
      .sample({ applied: '1000-3', copies: copy('c2', '1000-3') })
    expect(kindsOf(history)).toEqual([])
  })

  it('that lacks a chunk, holds an old one or one from the future is found', () => {
    const bad = [
      { applied: '1000-1', copies: copy() },
      { applied: '1000-3', copies: copy('c1', '1000-1') },
      { applied: '1000-2', copies: copy('c2', '1000-3') },
      { applied: '1000-2', seen: '1000-3', copies: copy() },
    ]
    for (const sample of bad) expect(kindsOf(written().sample(sample))).toEqual(['index-not-the-fold'])
  })

  it('that says of itself that it is incomplete may hold anything', () => {
    expect(kindsOf(written().sample({ applied: '1000-3', incomplete: true, copies: copy() }))).toEqual([])
  })

  it('that holds what was lost is found', () => {
    const history = written().disturbed().claim(2000, '1000-1')
    history.sample({ applied: '2000-5', copies: copy('c2', '1000-3') })
    expect(kindsOf(history)).toEqual(['index-not-the-fold'])
  })
})

describe('the rest', () => {
  it('a read of the primary that misses what was acknowledged before it began is found', () => {
    const history = new HandMade()
      .set(1, 'a', 'a1', '1000-1')
      .get(2, 'a', undefined, undefined, { primary: true })
      .final('1000-1', [{ item: 'entry:a', value: 'a1', at: '1000-1' }])
    expect(kindsOf(history)).toEqual(['one-order'])
  })

  it('regions that differ or never come to rest are found', () => {
    const history = new HandMade().set(1, 'a', 'a1', '1000-1')
    const items = [{ item: 'entry:a', value: 'a1', at: '1000-1' }]
    const regions = [
      { region: 'us', items },
      { region: 'eu', items: [] },
    ]
    history.final('1000-1', items, { regions, unrest: ['eu is behind'] })
    expect(kindsOf(history)).toEqual(['unrest', 'stores-differ'])
  })

  it('an error that nothing excuses is found', () => {
    expect(kindsOf(new HandMade().failed(1, { code: 'INTERNAL' }))).toEqual(['unexpected-error'])
    expect(kindsOf(new HandMade().failed(1, { code: 'UNAVAILABLE' }))).toEqual([])
  })

  it('failures are counted without the calls that were hurried on purpose', () => {
    const history = new HandMade().failed(1, {}).failed(1, {}, { hurried: true }).get(1, 'a')
    expect(judge(history.history())).toMatchObject({ ok: 1, failed: 1, unknown: 0, hurried: 1 })
  })
})

const unknownOutcome = {
  kind: 'unknown',
  code: 'UNAVAILABLE',
  reason: 'OUTCOME_UNKNOWN',
  message: '',
} as const
