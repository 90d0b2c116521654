import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { Metrics } from './metrics.ts'

it('counts calls by status, and how long they took, as Prometheus reads it', async () => {
  const metrics = new Metrics()
  metrics.callEnded('a.B/C', 'OK', 0.4)
  metrics.callEnded('a.B/C', 'OK', 0.5)
  metrics.callEnded('a.B/C', 'INTERNAL', 3000)
  metrics.callEnded('a.B/D', 'OK', 60_000)
  const server = createServer((request, response) => metrics.answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.close()
    await metrics.stop()
  })
  const page = await (
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`)
  ).text()
  const lines = page
    .split('\n')
    .filter((line) => line.startsWith('perigee_call') || /^# TYPE perigee_call/.test(line))
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE perigee_calls_total counter',
      'perigee_calls_total{method="a.B/C",status="OK"} 2',
      'perigee_calls_total{method="a.B/C",status="INTERNAL"} 1',
      '# TYPE perigee_call_duration_seconds histogram',
      'perigee_call_duration_seconds_count{method="a.B/C"} 3',
      'perigee_call_duration_seconds_sum{method="a.B/C"} 3.0009',
      'perigee_call_duration_seconds_bucket{method="a.B/C",le="0.0005"} 2',
      'perigee_call_duration_seconds_bucket{method="a.B/C",le="2.5"} 2',
      'perigee_call_duration_seconds_bucket{method="a.B/C",le="5"} 3',
      'perigee_call_duration_seconds_bucket{method="a.B/D",le="10"} 0',
      'perigee_call_duration_seconds_bucket{method="a.B/D",le="+Inf"} 1',
    ]),
  )
})
