/** Fails a call at the address given, closes in the middle of another one, and tells how long it took to end. */
import { Perigee, type PerigeeError } from '@perigee/sdk'

const code = (promise: Promise<unknown>) => promise.then(String, (error: PerigeeError) => error.code)

const address = process.argv[2] ?? ''
const perigee = await Perigee.connect({
  addresses: { 'eu-west-1': address },
  region: 'eu-west-1',
  connectTimeoutMs: 500,
  tls: JSON.parse(process.argv[3] ?? 'null') ?? undefined,
})
const cache = perigee.cache('answers')
process.stdout.write(`${await code(cache.get('a', { timeoutMs: 1_000 }))}\n`)
const inFlight = code(cache.get('a'))
await new Promise((resolve) => setImmediate(resolve))
await perigee.close()
const closedAt = performance.now()
process.stdout.write(`${await inFlight}\n`)
process.on('exit', () => process.stdout.write(`${performance.now() - closedAt}\n`))
