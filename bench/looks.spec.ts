import { expect, test } from 'vitest'
import { looksAgain } from './looks.ts'
import { failedRow, rowOf } from './measure/row.ts'
import type { Ran } from './run.ts'
import { settingsFrom } from './settings.ts'

const recorded = { 'get-plain': 2, 'get-unary': 20 }

test('what has collapsed is measured again, alone, and the last look counts', async () => {
  const looks: (readonly string[])[] = []
  const found = [0.5, 1.9]
  const ran = await look(
    [{ title: 'gets', rows: [rowOf('get-plain', [0.4]), rowOf('get-unary', [25])] }],
    (only) => {
      looks.push(only)
      return [{ title: 'gets', rows: [rowOf('get-plain', [found.shift() ?? 0])] }]
    },
  )
  expect(looks).toEqual([['get-plain'], ['get-plain']])
  expect(ran[0]?.rows).toEqual([rowOf('get-plain', [1.9]), rowOf('get-unary', [25])])
})

test('an experiment that failed is run again, whole', async () => {
  const failed = {
    title: 'gets',
    rows: [failedRow('get-plain', 'why'), failedRow('get-unary', 'why')],
    error: 'why',
  }
  const well = { title: 'gets', rows: [rowOf('get-plain', [2]), rowOf('get-unary', [25])] }
  const ran = await look([failed], (only) => {
    expect(only).toEqual(['get-plain', 'get-unary'])
    return [well]
  })
  expect(ran).toEqual([well])
})

test('what fails at every look stays failed', async () => {
  const failed = { title: 'gets', rows: [failedRow('get-plain', 'why')], error: 'why' }
  let looks = 0
  expect(
    await look([failed], () => {
      looks += 1
      return [failed]
    }),
  ).toEqual([failed])
  expect(looks).toBe(2)
})

test('nothing is measured again when all is well', async () => {
  const well = [{ title: 'gets', rows: [rowOf('get-plain', [1.5])] }]
  const ran = await look(well, () => {
    throw new Error('measured again')
  })
  expect(ran).toEqual(well)
})

function look(ran: readonly Ran[], again: (only: readonly string[]) => readonly Ran[]) {
  const settings = settingsFrom(['--quick'])
  if (!settings) throw new Error('no settings')
  const measure = async ({ only }: { readonly only: readonly string[] }) => again(only)
  return looksAgain(ran, { settings, recorded, progress: () => {}, measure })
}
