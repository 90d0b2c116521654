import { expect, test } from 'vitest'
import { metricsFrom } from './sidecar-metrics.ts'

test('Gets are counted over all statuses, and nothing else is', () => {
  const text = [
    '# TYPE perigee_calls_total counter',
    'perigee_calls_total{method="perigee.v1.CacheService/Get",status="OK"} 41',
    'perigee_calls_total{status="UNAVAILABLE",method="perigee.v1.CacheService/Get"} 1',
    'perigee_calls_total{method="perigee.v1.CacheService/GetMany",status="OK"} 1000',
    'process_event_loop_delay_p99_seconds 0.0125',
  ].join('\n')
  expect(metricsFrom(text)).toEqual({ gets: 42, loopP99Ms: 12.5 })
})

test('without a figure there is none, not zero', () => {
  expect(metricsFrom('').loopP99Ms).toBeNaN()
})
