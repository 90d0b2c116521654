import { expect, test } from 'vitest'
import { collapsedRows, recordedFrom } from './collapse.ts'
import { failedRow, rowOf } from './row.ts'

test('a ratio that is to be high has collapsed below half of what is recorded', () => {
  const recorded = { 'get-plain': 2 }
  expect(collapsedRows([rowOf('get-plain', [1])], recorded)).toEqual([])
  expect(collapsedRows([rowOf('get-plain', [0.99])], recorded)).toEqual([rowOf('get-plain', [0.99])])
})

test('a ratio that is to be low has collapsed above twice what is recorded', () => {
  const recorded = { 'get-one': 3 }
  expect(collapsedRows([rowOf('get-one', [6])], recorded)).toEqual([])
  expect(collapsedRows([rowOf('get-one', [6.1])], recorded)).toHaveLength(1)
})

test('missing the goal is no collapse, nor is anything that is not recorded or no ratio', () => {
  expect(collapsedRows([rowOf('get-plain', [0.1])], {})).toEqual([])
  expect(collapsedRows([rowOf('get-plain', [0.1])], { 'get-plain': 0.15 })).toEqual([])
  expect(collapsedRows([rowOf('forward', [900])], { forward: 2 })).toEqual([])
})

test('a failed row is a failure of its own, not a collapse', () => {
  expect(collapsedRows([failedRow('get-plain', 'why')], { 'get-plain': 2 })).toEqual([])
})

test('ratios with a goal are recorded; what was not measured stays', () => {
  const rows = [
    rowOf('get-plain', [1.23456]),
    rowOf('rss', [100]),
    rowOf('fill-p99', [2]),
    rowOf('upsert/indexed', [2]),
    failedRow('follow', 'why'),
  ]
  expect(recordedFrom(rows, { follow: 0.9, 'get-plain': 5 })).toEqual({ follow: 0.9, 'get-plain': 1.23 })
})
